// Whether a command works alone, starts ranks that work together, or is one of them.
#pragma once

#include <functional>
#include <memory>

#include "lacuna/cli/command.h"
#include "lacuna/comm/group.h"
#include "lacuna/train/run.h"
#include "launcher.h"

namespace lacuna::cli {

/// Who has launched this process, if anybody; its own launcher is followed from now on.
World find_world();

/// What says where processes compute that --`flag` asks for, unless the command line does. Throws
/// Error(kUsage) where that says something else.
Arguments device_argument(const Parsed& parsed, const std::string& flag, const std::string& device);

/// Starts the processes that --gpus or --processes ask for and waits for them; whether they did.
/// Throws Error(kUsage) for flags that contradict each other and what check_request() does,
/// Error(kConfig) for options that so many processes cannot share, EndedWith where one failed.
bool launch_if_asked(const Parsed& parsed, const train::RunRequest& request, const World& world,
                     const Stop& stop);
/// The same for a benchmark, which has no run; here and in the processes that it starts `options`
/// train on what the flags say.
bool launch_if_asked(const Parsed& parsed, train::Options& options, const World& world,
                     const Stop& stop);

/// Works with the ranks that a launcher has started besides this process, once all have come, and
/// tells them of an error. Throws Stopped, and EndedWith where another rank says what went wrong.
void work_in_group(const World& world, const train::Options& options, const Stop& stop,
                   const std::function<void(const std::shared_ptr<Group>& group)>& work);

}  // namespace lacuna::cli
