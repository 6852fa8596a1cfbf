// Starts the processes of a run that trains on several GPUs or CPUs of this machine.
#pragma once

#include <string>
#include <vector>

#include "lacuna/cli/command.h"

namespace lacuna::cli {

struct LaunchRequest {
  int processes = 1;
  int restarts = 0;               // how often a run that fails goes on from its last checkpoint
  std::vector<std::string> also;  // arguments besides those of this process
  std::vector<std::string> leave_out;  // flags that a run that goes on must not be given again
};

/// Runs this program with the arguments that it was given, `processes` times, and waits. The
/// children find each other by the variables that world_from() reads. Each has a process group of
/// its own, so that a key at the terminal asks this process alone to stop, which asks each child
/// once; they are asked, too, when this process is killed. When one fails, the others have 8 seconds
/// to say why and end before they are made to. Throws EndedWith with the exit code of the first that
/// failed: 128 and the number of a signal that ended it.
void launch_processes(const LaunchRequest& request, const Stop& stop);

/// Whether launch_processes() has started this process.
bool is_launched_by_us();

/// For the children of launch_processes(): follows the launcher should it die. To be called early.
void follow_launcher();

}  // namespace lacuna::cli
