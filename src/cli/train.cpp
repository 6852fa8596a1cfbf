#include <filesystem>

#include "lacuna/cli/command.h"
#include "lacuna/train/run.h"

namespace lacuna::cli {

Command make_train_command() {
  return {.name = "train",
          .summary = "Train a model as a configuration file says",
          .positionals = {{"CONFIG", "", "", "TOML file with the options of the run"}},
          .flags = {{"--overwrite", "", "", "Replace the run that is in the folder"}},
          .takes_options = true,
          .run = [](const Parsed& parsed, const Stop& stop) {
            const std::string& config = parsed.text("CONFIG");
            train::Options options = train::read_options(config, parsed.overrides);
            if (options.train.run.empty()) {
              options.train.run = "runs/" + std::filesystem::path(config).stem().string();
            }
            train::run_training(options, parsed.is_set("overwrite"), stop);
          }};
}

}  // namespace lacuna::cli
