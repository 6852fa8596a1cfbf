// What lies behind a pattern, a checkpoint, a data set: each has a source of its own in inspect/.
#include "inspect/inspect.h"

#include <filesystem>

#include "lacuna/cli/command.h"
#include "lacuna/train/run_folder.h"

namespace lacuna::cli {

std::string config_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) ? train::RunFolder(path).config() : path;
}

Command make_inspect_command() {
  return {.name = "inspect",
          .summary = "Show a pattern, a checkpoint or a data set",
          .subcommands = {
              {.name = "pattern",
               .summary = "Who attends to whom: as text and picture, in passes, in numbers",
               .positionals = {{"WHAT", "", "",
                                "a configuration, the folder of a run, or a pattern such as "
                                "\"fixed(128, 32)\""}},
               .flags = {{"--context", "T", "",
                          "Positions; otherwise those of the configuration, or enough to see the "
                          "pattern"},
                         {"--heads", "H", "", "Heads; otherwise those of the configuration, or 8"},
                         {"--png", "FILE", "", "Also write a picture"}},
               .takes_options = true,
               .run = inspect_pattern},
              {.name = "checkpoint",
               .summary = "What is saved: state, files, tensors with their norms, all verified",
               .positionals = {{"RUN", "", "", "folder of a run or of one of its checkpoints"}},
               .flags = {},
               .run = inspect_checkpoint},
              {.name = "data",
               .summary =
                   "What a configuration trains on: parts, identity, symbols, entropy, a picture",
               .positionals = {{"CONFIG", "", "", "a configuration or the folder of a run"}},
               .flags = {{"--picture", "FILE", "",
                          "Also write a PNG: 64 pictures, or the waveform and the spectrogram of a "
                          "sound"}},
               .takes_options = true,
               .run = inspect_data}}};
}

}  // namespace lacuna::cli
