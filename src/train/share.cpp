#include "lacuna/train/share.h"

#include <numeric>
#include <optional>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

// Into how many parts each micro-batch is cut; nothing where that does not come out even.
std::optional<int64_t> cuts_of_batch(int64_t batch, int64_t accumulation, int64_t ranks) {
  const int64_t cuts = ranks / std::gcd(ranks, accumulation);
  return batch % cuts == 0 ? std::optional(cuts) : std::nullopt;
}

// The numbers of ranks next to `ranks` that can share the step.
std::string nearest_ranks(int64_t batch, int64_t accumulation, int64_t ranks) {
  std::string nearest;
  for (int64_t fewer = ranks - 1; fewer > 0 && nearest.empty(); --fewer) {
    if (cuts_of_batch(batch, accumulation, fewer)) nearest = std::to_string(fewer);
  }
  for (int64_t more = ranks + 1; more <= batch * accumulation; ++more) {
    if (cuts_of_batch(batch, accumulation, more)) return str(nearest, " or ", more);
  }
  return nearest;
}

}  // namespace

Share share_of(const Options& options, const World& world) {
  const int64_t batch = options.train.batch, accumulation = options.train.accumulation;
  const int64_t ranks = world.size;
  const std::optional<int64_t> cuts = cuts_of_batch(batch, accumulation, ranks);
  if (!cuts) {
    const int64_t wanted = ranks / std::gcd(ranks, accumulation);
    const int64_t lower = batch / wanted * wanted;
    throw Error(ErrorKind::kConfig, "train.batch",
                str(ranks, " processes cannot share a step of ", accumulation, " micro-batches of ",
                    batch, " samples evenly"),
                str("Start ", nearest_ranks(batch, accumulation, ranks),
                    " processes, or set train.batch to ", lower > 0 ? str(lower, " or ") : "",
                    lower + wanted));
  }
  const Share share{.batch = batch / *cuts, .micro_batches = accumulation * *cuts / ranks};
  return {share.batch, share.micro_batches, world.rank * share.batch * share.micro_batches};
}

}  // namespace lacuna::train
