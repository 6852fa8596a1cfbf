#include <filesystem>

#include "lacuna/cli/command.h"
#include "lacuna/train/run.h"

namespace lacuna::cli {

Command make_train_command() {
  return {
      .name = "train",
      .summary = "Train a model as a configuration file says",
      .positionals = {{"CONFIG", "", "", "TOML file with the options of the run"}},
      .flags =
          {{"--overwrite", "", "",
            "Replace the run that is in the folder, or what it made after the checkpoint named"},
           {"--resume", "auto|DIR", "",
            "Go on from the newest complete checkpoint of the run, or from the one named"},
           {"--init-from", "DIR", "", "Start from the weights of another run or checkpoint"}},
      .takes_options = true,
      .run = [](const Parsed& parsed, const Stop& stop) {
        const std::string& config = parsed.text("CONFIG");
        train::Options options = train::read_options(config, parsed.overrides);
        if (options.train.run.empty()) {
          options.train.run = "runs/" + std::filesystem::path(config).stem().string();
        }
        train::run_training({.options = options,
                             .overwrite = parsed.is_set("overwrite"),
                             .resume = parsed.text("resume"),
                             .init_from = parsed.text("init-from")},
                            stop);
      }};
}

}  // namespace lacuna::cli
