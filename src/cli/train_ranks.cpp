#include "train_ranks.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/train/setup.h"
#include "lacuna/train/share.h"
#include "launcher.h"

namespace lacuna::cli {

World find_world() {
  follow_launcher();
  return world_from([](const char* name) { return std::getenv(name); });
}

bool launch_if_asked(const Parsed& parsed, const train::Options& options, const World& world,
                     const Stop& stop) {
  const bool gpus = parsed.is_set("gpus"), processes = parsed.is_set("processes");
  if (gpus && processes) {
    throw Error(ErrorKind::kUsage, "--gpus", "contradicts --processes, which are on the CPU");
  }
  if ((!gpus && !processes) || is_launched_by_us()) {
    if (parsed.is_set("restarts") && !gpus && !processes) {
      throw Error(ErrorKind::kUsage, "--restarts", "needs --gpus or --processes",
                  "Processes that another launcher has started it must start again itself");
    }
    return false;
  }
  const std::string flag = gpus ? "gpus" : "processes", device = gpus ? "gpu" : "cpu";
  if (!world.launcher.empty()) {
    throw Error(ErrorKind::kUsage, "--" + flag,
                "starts processes of its own, but " + world.launcher + " has started this one",
                "Leave it out");
  }
  LaunchRequest request{
      .restarts = parsed.is_set("restarts") ? static_cast<int>(parsed.whole("restarts", 0)) : 0,
      .leave_out = {"--overwrite", "--resume", "--init-from"}};
  const auto named =
      std::find_if(parsed.overrides.begin(), parsed.overrides.end(),
                   [](const auto& option) { return option.first == "train.device"; });
  if (named == parsed.overrides.end()) {
    request.also.push_back("--train.device=" + device);
  } else if (named->second != device) {
    throw Error(ErrorKind::kUsage, "--" + flag, "means --train.device " + device, "Leave that out");
  }
  constexpr int64_t kMostProcesses = 1024;  // of one machine
  const int64_t count = parsed.whole(flag, 1);
  if (count > kMostProcesses) {
    throw Error(ErrorKind::kUsage, "--" + flag, str("is at most ", kMostProcesses));
  }
  train::check_options(options);
  (void)train::share_of(options, {.size = static_cast<int>(count)});
  request.processes = static_cast<int>(count);
  launch_processes(request, stop);
  return true;
}

std::shared_ptr<Group> group_of(const World& world, const train::Options& options) {
  if (world.launcher.empty()) return std::make_shared<Group>();
  if (world.rank > 0) log_warnings_only(str("rank ", world.rank));
  const auto patience = std::chrono::seconds(static_cast<int64_t>(options.dist.start_patience));
  return std::make_shared<Group>(world, patience);
}

}  // namespace lacuna::cli
