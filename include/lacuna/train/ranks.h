// How the parts of a trainer are shared by the ranks that train together.
#pragma once

#include <memory>

#include "lacuna/comm/communicator.h"
#include "lacuna/train/evaluator.h"
#include "lacuna/train/sampler.h"

namespace lacuna::train {

/// By NCCL or Gloo, as the queue's device asks for; null for a process that no launcher has
/// started. Throws Error(kConfig).
std::unique_ptr<Communicator> make_communicator(Group& group, const Queue& queue);

/// The share of a rank in samples that are drawn at once: neighbours, as many as come out even.
SampleConfig samples_of_rank(SampleConfig samples, const World& world);

/// What the shares of all ranks add up to, in the order of ranks, so the same on each.
Evaluation join_evaluations(Group& group, const Evaluation& own, const Unit& unit);

}  // namespace lacuna::train
