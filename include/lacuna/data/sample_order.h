// Which window of the training part a sample is: a pure function of (seed, global sample index), so
// nothing is stored in a checkpoint, and batch size and number of processes change nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "lacuna/base/rng.h"
#include "lacuna/data/dataset.h"

namespace lacuna {

/// Sample s belongs to epoch s / windows(). Each epoch visits each of its windows once, in an order
/// of its own. Windows have `window` symbols each. They stay within stretches; those of one stretch
/// and epoch follow one another without gap or overlap from an offset on.
class SampleOrder {
 public:
  /// A part of `symbols` symbols; `stretches` are where its stretches begin, the first at 0. Where
  /// windows are shifted, the offset in a stretch of n symbols with w windows is uniform among the
  /// multiples of the alignment in [0, n - w * window], of a lone stretch only below `window`, and
  /// w is max(1, (n - window + 1) / window), so that any offset below `window` leaves room for
  /// them: of several stretches each symbol has its turn, of a lone one all but less than a window
  /// at the end. Otherwise the offset is 0 and w is n / window. Throws Error(kData) when there is
  /// no whole window.
  SampleOrder(int64_t symbols, const std::vector<int64_t>& stretches, int64_t window, uint64_t seed,
              const WindowGrid& grid);
  /// One stretch.
  SampleOrder(int64_t symbols, int64_t window, uint64_t seed, const WindowGrid& grid)
      : SampleOrder(symbols, {0}, window, seed, grid) {}

  /// Windows per epoch.
  int64_t windows() const { return windows_; }
  /// Symbols per window.
  int64_t window() const { return window_; }
  uint64_t seed() const { return seed_; }
  /// First symbol of the window of a sample.
  int64_t begin(uint64_t sample) const;

 private:
  struct Stretch {
    int64_t begin;
    int64_t window;   // its first, of all windows
    int64_t offsets;  // how many are possible
  };

  int64_t offset(PhiloxKey key, size_t stretch) const;
  int64_t permuted(PhiloxKey key, int64_t index) const;

  int64_t window_;
  int64_t windows_ = 0;
  int64_t alignment_;
  std::vector<Stretch> stretches_;  // those that have windows
  uint64_t seed_;
  uint32_t half_bits_;  // the Feistel network permutes 0 .. 2^(2 * half_bits) - 1
};

/// Samples first_sample .. first_sample + count - 1 of the training part as rows of out [count,
/// order.window()], changed as the medium's options ask (Medium::augment), each by random bits of
/// its own.
void read_samples(const Dataset& data, const SampleOrder& order, uint64_t first_sample,
                  int64_t count, int32_t* out);

}  // namespace lacuna
