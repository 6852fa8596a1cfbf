// Whether `lacuna train` works alone, starts ranks that train together, or is one of them.
#pragma once

#include <memory>

#include "lacuna/cli/command.h"
#include "lacuna/comm/group.h"
#include "lacuna/train/run.h"

namespace lacuna::cli {

/// Who has launched this process, if anybody; its own launcher is followed from now on.
World find_world();

/// Starts the processes that --gpus or --processes ask for and waits for them; whether they did.
/// Throws Error(kUsage) for flags that contradict each other and what check_request() does,
/// Error(kConfig) for options that so many processes cannot share, EndedWith where one failed.
bool launch_if_asked(const Parsed& parsed, const train::RunRequest& request, const World& world,
                     const Stop& stop);

/// With the ranks that a launcher has started besides this process, once all have come. Throws
/// Stopped.
std::shared_ptr<Group> group_of(const World& world, const train::Options& options,
                                const Stop& stop);

}  // namespace lacuna::cli
