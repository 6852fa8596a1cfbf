#include "ranks.h"

#include <cstring>

#include "lacuna/base/error.h"
#include "lacuna/kernels/launch.h"

namespace lacuna::train {
namespace {

// What a rank tells of its share. All ranks run the same build.
struct Told {
  double nats;
  int64_t positions, windows, complete;
};

}  // namespace

std::unique_ptr<Communicator> make_communicator(Group& group, const Queue& queue) {
  if (group.world().launcher.empty()) return nullptr;
  if constexpr (kWithNccl) {
    if (queue.on_gpu()) return cuda::make_nccl(group, queue);
  }
  if (queue.on_gpu()) {
    throw Error(ErrorKind::kConfig, "train.device",
                "this program was built without NCCL: several processes need it on GPUs",
                "Build it where nccl.h is found, or use --train.device cpu");
  }
  return make_gloo(group);
}

SampleConfig samples_of_rank(SampleConfig samples, const World& world) {
  const int64_t begin = samples.count * world.rank / world.size;
  const int64_t end = samples.count * (world.rank + 1) / world.size;
  samples.first += begin;
  samples.count = end - begin;
  return samples;
}

Evaluation join_evaluations(Group& group, const Evaluation& own, const Unit& unit) {
  const Told mine{own.nats, own.positions, own.windows, own.complete ? 1 : 0};
  std::string said(sizeof mine, '\0');
  std::memcpy(said.data(), &mine, sizeof mine);
  Evaluation all{.part = own.part, .windows_in_part = own.windows_in_part};
  for (const std::string& told : group.exchange("an evaluation of " + own.part, said)) {
    Told share{};
    std::memcpy(&share, told.data(), sizeof share);
    all.nats += share.nats;
    all.positions += share.positions;
    all.windows += share.windows;
    all.complete = all.complete && share.complete != 0;
  }
  all.set_bits(unit);
  return all;
}

}  // namespace lacuna::train
