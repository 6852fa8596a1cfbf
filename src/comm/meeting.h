// How the ranks find each other: rank 0 listens, the others connect and say who they are. Whoever
// else connects is turned away.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "lacuna/comm/world.h"
#include "link.h"

namespace lacuna::comm {

// Both call `meanwhile`, where it is not empty, several times a second; what it throws ends them.

/// What rank 0 does: the links to all ranks, where that of rank 0 itself is not open. Throws
/// Error(kConfig) with those that are missing after `patience`.
std::vector<Link> await_ranks(const World& world, std::chrono::milliseconds patience,
                              const std::function<void()>& meanwhile = {});

/// What the others do: the link to rank 0, once all ranks have met. Throws Error(kConfig).
Link join_first(const World& world, std::chrono::milliseconds patience,
                const std::function<void()>& meanwhile = {});

}  // namespace lacuna::comm
