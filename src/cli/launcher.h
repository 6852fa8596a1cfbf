// Starts the processes of a run that trains on several GPUs or CPUs of this machine.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lacuna/cli/command.h"

namespace lacuna::cli {

using Arguments = std::vector<std::string>;

struct LaunchRequest {
  int processes = 1;
  Arguments also;    // besides those of this process
  int restarts = 0;  // how often processes that have failed are started again
  /// Makes the arguments of a restart of those of the first start.
  std::function<Arguments(const Arguments& first)> arguments_of_restart;
};

/// Runs this program with the arguments that it was given, `processes` times, and waits. The
/// children find each other by the variables that world_from() reads. Each has a process group of
/// its own, so that a key at the terminal asks this process alone to stop, which asks each child
/// once; they are asked, too, when this process is killed. When one fails, the others have a few
/// seconds to say why and to end. Throws EndedWith with 2 where one has found a mistake of the
/// user, else with the exit code of the first that failed: 128 and the number of a signal that
/// ended it.
void launch_processes(const LaunchRequest& request, const Stop& stop);

/// Whether launch_processes() has started this process.
bool is_launched_by_us();

/// For the children of launch_processes(): follows the launcher should it die. To be called early.
void follow_launcher();

}  // namespace lacuna::cli
