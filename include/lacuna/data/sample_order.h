// Which window of the training part a sample is: a pure function of (seed, global sample index), so
// nothing is stored in a checkpoint, and batch size and number of processes change nothing.
#pragma once

#include <cstdint>

#include "lacuna/base/rng.h"
#include "lacuna/data/dataset.h"

namespace lacuna {

/// Sample s belongs to epoch s / windows(). Each epoch visits each of its windows once, in an order
/// of its own. The windows of one epoch have `window` symbols each and follow one another without
/// gap or overlap from the epoch's offset on.
class SampleOrder {
 public:
  /// With `shift` the offset is uniform in [0, min(window, symbols - windows() * window + 1)), and
  /// there are max(1, (symbols - window + 1) / window) windows, so that any offset below `window`
  /// leaves room for them; without it the offset is 0 and there are symbols / window. Throws
  /// Error(kData) when there is no whole window.
  SampleOrder(int64_t symbols, int64_t window, uint64_t seed, bool shift);

  /// Windows per epoch.
  int64_t windows() const { return windows_; }
  /// Symbols per window.
  int64_t window() const { return window_; }
  /// First symbol of the window of a sample.
  int64_t begin(uint64_t sample) const;

 private:
  int64_t offset(PhiloxKey key) const;
  int64_t permuted(PhiloxKey key, int64_t index) const;

  int64_t window_;
  int64_t windows_;
  int64_t offsets_;  // how many offsets are possible
  uint64_t seed_;
  uint32_t half_bits_;  // the Feistel network permutes 0 .. 2^(2 * half_bits) - 1
};

/// Samples first_sample .. first_sample + count - 1 as rows of out [count, order.window()].
void read_samples(const Dataset& dataset, Split split, const SampleOrder& order,
                  uint64_t first_sample, int64_t count, int32_t* out);

}  // namespace lacuna
