// What `lacuna inspect data` counts and draws.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lacuna/cli/command.h"
#include "lacuna/data/dataset.h"

namespace lacuna::cli {

/// How often symbols follow one another: entropies of order 0, 1 and 2. Where several symbols make
/// one unit (the two bytes of a 16-bit sample), those of each place in it are counted apart.
class SymbolCounts {
 public:
  static constexpr int kOrders = 3;

  SymbolCounts(int64_t vocabulary, int64_t symbols_per_unit);

  /// Counts symbols of which the first begins a unit and has nothing before it.
  void add(const std::vector<int32_t>& symbols);

  int64_t symbols() const;
  /// How often each symbol occurs as the first of a unit.
  std::vector<int64_t> first_of_unit() const;
  struct Entropy {
    double bits = 0;   // of a unit: of a symbol given those before it, summed over its places
    double times = 0;  // how often what comes before a symbol occurs on average
  };
  /// Given the `order` symbols before.
  Entropy entropy(int order) const;

 private:
  struct Place {
    std::vector<uint32_t> counts[kOrders];  // the last symbol fastest
  };
  struct Sum {
    double bits = 0, symbols = 0, contexts = 0;
  };
  Sum sum(const Place& place, int order) const;

  size_t vocabulary_;
  std::vector<Place> places_;  // in a unit
};

/// Of a part as it is, or of windows spread over it where it is large: what is counted together
/// lies in one window.
SymbolCounts count_symbols(const Part& part, const Medium& medium, const Stop& stop);

/// What can be said of a part that is sound.
struct SoundShares {
  double rate = 0;  // Hz
  int64_t samples = 0, silent = 0, clipped = 0;

  static constexpr float kSilence = 1.0F / 8192;  // quieter ones are silent
};
SoundShares sound_shares(const Part& part, const Medium& medium, const Stop& stop);

/// Pictures in the PNG file of what is trained on, unless there are fewer.
inline constexpr int64_t kPictures = 64;

/// A PNG file of what is trained on: for pictures 64 of them or as many as there are, spread by the
/// seed, for sound the waveform and the spectrogram from a symbol on, for ten seconds or a window,
/// whichever is longer, as far as the record goes. Throws Error(kUsage) for what has no picture.
void check_picture(const Medium& medium);
void write_data_picture(const std::string& path, const Dataset& data, uint64_t seed, int64_t begin,
                        int64_t window);

}  // namespace lacuna::cli
