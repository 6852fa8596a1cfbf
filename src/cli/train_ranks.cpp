#include "train_ranks.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/train/checkpoint.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/share.h"
#include "lacuna/train/time_limit.h"
#include "launcher.h"
#include "signals.h"

namespace lacuna::cli {

World find_world() {
  follow_launcher();
  return world_from([](const char* name) { return std::getenv(name); });
}

namespace {

// The arguments of a run that has failed and is started again. Until it has a checkpoint of its own
// it begins as it was told to; from then on it goes on.
class Restart {
 public:
  explicit Restart(const std::string& run) : folder_(run), checkpoints_(found()), begun_(stamp()) {}

  Arguments arguments(const Arguments& first) const {
    const auto has = [&](const std::string& flag) {
      return std::any_of(first.begin(), first.end(), [&](const std::string& argument) {
        return argument == flag || argument.starts_with(flag + "=");
      });
    };
    Arguments again = first;
    if (has_new_checkpoint()) again = without_start(first);
    const bool told = has("--resume") || has("--init-from") || has("--overwrite");
    if (again != first || !told) {
      again.emplace_back("--resume=auto");
    } else if (stamp() != begun_ && !has("--overwrite") && !goes_on_by_itself(first)) {
      again.emplace_back("--overwrite");  // what it has begun itself
    }
    return again;
  }

 private:
  using Time = std::filesystem::file_time_type;

  static Time time_of(const std::string& file) {
    std::error_code absent;
    return std::filesystem::last_write_time(file, absent);
  }
  std::map<int64_t, Time> found() const {
    std::map<int64_t, Time> times;
    const train::CheckpointFolder checkpoints(folder_.checkpoints());
    for (const int64_t step : checkpoints.steps()) times[step] = time_of(checkpoints.at(step));
    return times;
  }
  bool has_new_checkpoint() const {
    const std::map<int64_t, Time> now = found();
    return std::any_of(now.begin(), now.end(), [this](const auto& checkpoint) {
      const auto before = checkpoints_.find(checkpoint.first);
      return before == checkpoints_.end() || before->second != checkpoint.second;
    });
  }
  Time stamp() const { return time_of(folder_.config()); }

  static bool goes_on_by_itself(const Arguments& arguments) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (arguments[i] == "--resume=auto") return true;
      if (arguments[i] == "--resume" && i + 1 < arguments.size()) return arguments[i + 1] == "auto";
    }
    return false;
  }
  // Without what says how a run begins: "--flag=VALUE", "--flag VALUE" or a switch.
  static Arguments without_start(const Arguments& arguments) {
    Arguments kept;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      const bool takes_next = argument == "--resume" || argument == "--init-from";
      if (takes_next) ++i;
      if (takes_next || argument == "--overwrite" || argument.starts_with("--resume=") ||
          argument.starts_with("--init-from=")) {
        continue;
      }
      kept.push_back(argument);
    }
    return kept;
  }

  train::RunFolder folder_;
  std::map<int64_t, Time> checkpoints_;
  Time begun_;
};

// What says where the processes compute, unless the command line does. Throws Error(kUsage).
Arguments device_argument(const Parsed& parsed, const std::string& flag,
                          const std::string& device) {
  for (const auto& [name, value] : parsed.overrides) {
    if (name != "train.device") continue;
    if (value == device) return {};
    throw Error(ErrorKind::kUsage, "--" + flag, "means --train.device " + device, "Leave that out");
  }
  return {"--train.device=" + device};
}

}  // namespace

bool launch_if_asked(const Parsed& parsed, const train::RunRequest& request, const World& world,
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
  const std::string flag = gpus ? "gpus" : "processes";
  if (!world.alone()) {
    throw Error(ErrorKind::kUsage, "--" + flag,
                "starts processes of its own, but " + world.launcher + " has started this one",
                "Leave it out");
  }
  constexpr int64_t kMostProcesses = 1024;  // of one machine
  const int64_t count = parsed.whole(flag, 1);
  if (count > kMostProcesses) {
    throw Error(ErrorKind::kUsage, "--" + flag, str("is at most ", kMostProcesses));
  }
  train::RunRequest of_children = request;
  of_children.options.train.device = gpus ? "gpu" : "cpu";
  Arguments also = device_argument(parsed, flag, of_children.options.train.device);
  train::check_request(of_children);
  (void)train::share_of(request.options, {.size = static_cast<int>(count)});
  const Restart restart(request.options.train.run);
  // The limit counts from here, however often the processes are started again.
  const train::TimeLimit limit(request.options.train.time_limit);
  const Stop stop_in_time = [&] { return stop() || limit.is_over(); };
  launch_processes(
      {.processes = static_cast<int>(count),
       .also = std::move(also),
       .restarts = parsed.is_set("restarts") ? static_cast<int>(parsed.whole("restarts", 0)) : 0,
       .arguments_of_restart = [&](const Arguments& first) { return restart.arguments(first); }},
      stop_in_time);
  return true;
}

std::shared_ptr<Group> group_of(const World& world, const train::Options& options,
                                const Stop& stop) {
  // When another rank is lost, the first may have a checkpoint under way, which it writes to its
  // end.
  constexpr std::chrono::seconds kToSave(12);
  if (world.launcher.empty()) return std::make_shared<Group>();
  if (world.rank > 0) {
    log_warnings_only(str("rank ", world.rank));
    leave_acknowledging_to_others();
  }
  const auto patience = std::chrono::seconds(static_cast<int64_t>(options.dist.start_patience));
  GroupTimes times;
  if (world.rank == 0) times.grace = kToSave;
  return std::make_shared<Group>(world, patience, times, [&] { leave_if(stop); });
}

}  // namespace lacuna::cli
