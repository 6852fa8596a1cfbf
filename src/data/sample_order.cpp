#include "lacuna/data/sample_order.h"

#include <algorithm>
#include <bit>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

// Four rounds make a permutation that passes for random when the halves are wide (Luby and Rackoff
// 1988); halves of a few bits need more to reach every order with similar chances.
constexpr uint32_t kRounds = 12;

// The first counter word tells the two uses of an epoch's key apart.
constexpr uint32_t kOffsetDraw = 0;
constexpr uint32_t kOrderDraw = 1;

}  // namespace

SampleOrder::SampleOrder(int64_t symbols, const std::vector<int64_t>& stretches, int64_t window,
                         uint64_t seed, const WindowGrid& grid)
    : window_(window), alignment_(grid.alignment), seed_(seed) {
  require(window > 0, "SampleOrder", "a window has at least one symbol");
  const bool several = stretches.size() > 1;
  for (size_t i = 0; i < stretches.size(); ++i) {
    const int64_t size = (i + 1 < stretches.size() ? stretches[i + 1] : symbols) - stretches[i];
    if (size < window) continue;
    const int64_t windows =
        grid.shifted ? std::max<int64_t>(1, (size - window + 1) / window) : size / window;
    const int64_t most = several ? size : window;  // a lone stretch has no short end that matters
    const int64_t room = grid.shifted ? std::min(most, size - windows * window + 1) : 1;
    stretches_.push_back({stretches[i], windows_, (room + alignment_ - 1) / alignment_});
    windows_ += windows;
  }
  if (windows_ == 0) {
    throw Error(ErrorKind::kData, "training data",
                "one sample needs " + grouped(window) + " symbols, but the part has only " +
                    grouped(symbols),
                "Lower model.context or give more data");
  }
  const auto bits = static_cast<uint32_t>(std::bit_width(static_cast<uint64_t>(windows_ - 1)));
  half_bits_ = (bits + 1) / 2;
}

int64_t SampleOrder::offset(PhiloxKey key, size_t stretch) const {
  const PhiloxCounter words = philox4x32({kOffsetDraw, static_cast<uint32_t>(stretch), 0, 0}, key);
  // The remainder of 64 random bits favours small offsets by at most their number / 2^64.
  const uint64_t word = (uint64_t{words[0]} << 32) | words[1];
  return static_cast<int64_t>(word % static_cast<uint64_t>(stretches_[stretch].offsets)) *
         alignment_;
}

/// A balanced Feistel network on 2^(2 * half_bits) values, walked along its cycle until it falls
/// below windows_: a permutation of 0 .. windows_ - 1 in less than four walks on average.
int64_t SampleOrder::permuted(PhiloxKey key, int64_t index) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<uint64_t>(index);
  do {
    uint64_t left = value >> half_bits_;
    uint64_t right = value & mask;
    for (uint32_t round = 0; round < kRounds; ++round) {
      const auto low = static_cast<uint32_t>(right);  // half_bits_ is at most 32
      const uint64_t mixed = left ^ (philox4x32({kOrderDraw, round, low, 0}, key)[0] & mask);
      left = right;
      right = mixed;
    }
    value = (left << half_bits_) | right;
  } while (value >= static_cast<uint64_t>(windows_));
  return static_cast<int64_t>(value);
}

int64_t SampleOrder::begin(uint64_t sample) const {
  const auto windows = static_cast<uint64_t>(windows_);
  const PhiloxKey key = random_key(seed_, RandomUse::kOrder, sample / windows);
  const int64_t window = permuted(key, static_cast<int64_t>(sample % windows));
  const auto after = std::upper_bound(
      stretches_.begin(), stretches_.end(), window,
      [](int64_t wanted, const Stretch& stretch) { return wanted < stretch.window; });
  const auto stretch = static_cast<size_t>(after - stretches_.begin() - 1);
  const Stretch& in = stretches_[stretch];
  return in.begin + offset(key, stretch) + (window - in.window) * window_;
}

void read_samples(const Dataset& data, const SampleOrder& order, uint64_t first_sample,
                  int64_t count, int32_t* out) {
  const PhiloxKey key = random_key(order.seed(), RandomUse::kAugmentation, 0);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t sample = first_sample + static_cast<uint64_t>(i);
    int32_t* row = out + i * order.window();
    data.train().read(order.begin(sample), order.window(), row);
    data.medium().augment({row, static_cast<size_t>(order.window())},
                          random_words(key, sample, 0, 0)[0]);
  }
}

}  // namespace lacuna
