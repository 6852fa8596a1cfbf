#include <algorithm>
#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/cli/command.h"
#include "lacuna/train/run.h"
#include "lacuna/train/run_folder.h"
#include "train_ranks.h"

namespace lacuna::cli {

namespace {

// The folder of the run whose recorded configuration this is, or that of one of its checkpoints,
// wherever it has been moved to and whatever name the configuration tells; empty for any other.
std::string run_around(const std::filesystem::path& config) {
  if (config.filename() != "config.toml") return "";
  const std::filesystem::path place = config.parent_path();
  std::vector<std::filesystem::path> folders{place};
  if (std::filesystem::absolute(config).parent_path().parent_path().filename() == "checkpoints") {
    folders.push_back(place / "../..");
  }
  for (const std::filesystem::path& folder : folders) {
    std::string name = folder.lexically_normal().string();
    if (name.size() > 1 && name.ends_with('/')) name.pop_back();
    if (name.empty()) name = ".";
    if (train::RunFolder(name).has_run()) return name;
  }
  return "";
}

// Unless the command line names a folder.
std::string run_of(const std::string& recorded, const std::string& config) {
  const std::string around = run_around(config);
  std::error_code ignored;
  if (!around.empty() && !std::filesystem::equivalent(recorded, around, ignored)) return around;
  if (!recorded.empty()) return recorded;
  return "runs/" + std::filesystem::path(config).stem().string();
}

}  // namespace

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
           {"--init-from", "DIR", "", "Start from the weights of another run or checkpoint"},
           {"--gpus", "N", "",
            "Train on N GPUs of this machine, with a process for each; a step stays the same"},
           {"--processes", "N", "", "Train with N processes on the CPUs of this machine"},
           {"--restarts", "N", "",
            "With these: start them again from the last checkpoint, at most N times, when one "
            "fails"}},
      .takes_options = true,
      .run = [](const Parsed& parsed, const Stop& stop) {
        const World world = find_world();
        const std::string& config = parsed.text("CONFIG");
        train::Options options = train::read_options(config, parsed.overrides);
        const bool named =
            std::any_of(parsed.overrides.begin(), parsed.overrides.end(),
                        [](const auto& option) { return option.first == "train.run"; });
        if (!named || options.train.run.empty()) {
          options.train.run = run_of(options.train.run, config);
        }
        const train::RunRequest request{.options = options,
                                        .overwrite = parsed.is_set("overwrite"),
                                        .resume = parsed.text("resume"),
                                        .init_from = parsed.text("init-from")};
        if (launch_if_asked(parsed, request, world, stop)) return;
        work_in_group(world, options, stop, [&](const std::shared_ptr<Group>& group) {
          train::run_training(request, group, stop);
        });
      }};
}

}  // namespace lacuna::cli
