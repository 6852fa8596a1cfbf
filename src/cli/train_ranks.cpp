#include "train_ranks.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/comm/lost_rank.h"
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

Arguments device_argument(const Parsed& parsed, const std::string& flag,
                          const std::string& device) {
  for (const auto& [name, value] : parsed.overrides) {
    if (name != "train.device") continue;
    if (value == device) return {};
    throw Error(ErrorKind::kUsage, "--" + flag, "means --train.device " + device, "Leave that out");
  }
  return {"--train.device=" + device};
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

// What --gpus or --processes ask this process to start.
struct Asked {
  int count;
  Arguments also;  // for each
};

// Nothing where this process is to work itself. `options` train where they do. Throws
// Error(kUsage).
std::optional<Asked> asked_for(const Parsed& parsed, const World& world, train::Options& options) {
  const bool gpus = parsed.is_set("gpus"), processes = parsed.is_set("processes");
  if (gpus && processes) {
    throw Error(ErrorKind::kUsage, "--gpus", "contradicts --processes, which are on the CPU");
  }
  if (!gpus && !processes) return std::nullopt;
  options.train.device = gpus ? "gpu" : "cpu";
  if (is_launched_by_us()) return std::nullopt;
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
  return Asked{static_cast<int>(count), device_argument(parsed, flag, options.train.device)};
}

}  // namespace

bool launch_if_asked(const Parsed& parsed, const train::RunRequest& request, const World& world,
                     const Stop& stop) {
  train::RunRequest of_children = request;
  const std::optional<Asked> asked = asked_for(parsed, world, of_children.options);
  if (!asked) {
    if (parsed.is_set("restarts") && !parsed.is_set("gpus") && !parsed.is_set("processes")) {
      throw Error(ErrorKind::kUsage, "--restarts", "needs --gpus or --processes",
                  "Processes that another launcher has started it must start again itself");
    }
    return false;
  }
  train::check_request(of_children);
  (void)train::share_of(request.options, {.size = asked->count});
  const Restart restart(request.options.train.run);
  // The limit counts from here, however often the processes are started again.
  const train::TimeLimit limit(request.options.train.time_limit);
  const Stop stop_in_time = [&] { return stop() || limit.is_over(); };
  launch_processes(
      {.processes = asked->count,
       .also = asked->also,
       .restarts = parsed.is_set("restarts") ? static_cast<int>(parsed.whole("restarts", 0)) : 0,
       .arguments_of_restart = [&](const Arguments& first) { return restart.arguments(first); }},
      stop_in_time);
  return true;
}

bool launch_if_asked(const Parsed& parsed, train::Options& options, const World& world,
                     const Stop& stop) {
  const std::optional<Asked> asked = asked_for(parsed, world, options);
  if (!asked) return false;
  launch_processes({.processes = asked->count, .also = {}, .arguments_of_restart = {}}, stop);
  return true;
}

namespace {

// Once all ranks have come.
std::shared_ptr<Group> group_of(const World& world, const train::Options& options,
                                const Stop& stop) {
  // When another rank is lost, the first may have a checkpoint under way, which it writes to its
  // end.
  constexpr std::chrono::seconds kGraceToSave(12);
  if (world.launcher.empty()) return std::make_shared<Group>();
  if (world.rank > 0) {
    log_warnings_only(str("rank ", world.rank));
    leave_acknowledging_to_others();
  }
  const auto patience = std::chrono::seconds(static_cast<int64_t>(options.dist.start_patience));
  GroupTimes times;
  if (world.rank == 0) times.grace = kGraceToSave;
  return std::make_shared<Group>(world, patience, times, [&] { leave_if(stop); });
}

}  // namespace

void work_in_group(const World& world, const train::Options& options, const Stop& stop,
                   const std::function<void(const std::shared_ptr<Group>& group)>& work) {
  const std::shared_ptr<Group> group = group_of(world, options, stop);
  try {
    work(group);
  } catch (const LostRank&) {
    if (world.rank > 0) throw EndedWith{1};  // the watch over the group has said who is lost
    throw;
  } catch (const Error& error) {
    group->fail(error.what());
    // A mistake that all ranks have found is told by the first.
    if (world.rank > 0 && group->who_is_lost().find(error.fault()) != std::string::npos) {
      throw EndedWith{error.exit_code()};
    }
    throw;
  }
}

}  // namespace lacuna::cli
