#include "lacuna/train/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::train {
namespace {

// What a rank tells of its share. All ranks run the same build.
struct Told {
  double nats;
  int64_t positions, windows, complete;
};

[[maybe_unused]] std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

// NCCL serves one rank a GPU. Ranks of distinct NCCL_HOSTID share one knowingly, as tests do.
[[maybe_unused]] void check_own_gpus(Group& group, const Queue& queue) {
  std::string own;
  if constexpr (kWithCuda) own = cuda::device_place(queue);
  const char* host = std::getenv("NCCL_HOSTID");
  own += str(" of host ", host != nullptr ? host : host_name());
  const std::vector<std::string> all = group.exchange("GPUs", own);
  for (size_t rank = 0; rank < all.size(); ++rank) {
    const auto first =
        static_cast<size_t>(std::find(all.begin(), all.end(), all[rank]) - all.begin());
    if (first == rank) continue;
    throw Error(ErrorKind::kConfig, "GPU " + all[rank],
                str("ranks ", first, " and ", rank, " would share it"),
                "Start as many processes on a host as it has GPUs, and let each see all of them or "
                "one of its own");
  }
}

}  // namespace

std::unique_ptr<Communicator> make_communicator(Group& group, const Queue& queue) {
  if (group.world().launcher.empty()) return nullptr;
  if constexpr (kWithNccl) {
    if (queue.on_gpu()) {
      check_own_gpus(group, queue);
      return cuda::make_nccl(group, queue);
    }
  }
  if (queue.on_gpu()) {
    if (group.world().alone()) return nullptr;
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
