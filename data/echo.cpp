// Format "echo": a synthetic source with a known entropy. A block of L symbols, uniform over k, is
// followed by its copy, in which each symbol is drawn anew (uniform over all k) with probability e.
// To predict a copy one must look L positions back. Every symbol is a pure function of its place.
#include <algorithm>
#include <cmath>

#include "lacuna/base/error.h"
#include "lacuna/base/rng.h"
#include "lacuna/base/text.h"
#include "lacuna/data/dataset.h"
#include "lacuna/data/split.h"

namespace lacuna {
namespace {

class Echo : public Dataset {
 public:
  explicit Echo(const DatasetConfig& config)
      : config_(config.echo), split_(parse_split(config.split, config.echo.size)) {}

  int64_t vocabulary() const override { return config_.symbols; }
  int64_t size(Split split) const override { return split_.size(split); }
  int64_t alignment() const override { return 2 * config_.block; }

  // A fresh symbol has log2 k bits. A copied one is the original with p = 1 - e + e/k, each of the
  // k - 1 others with e/k. A part may end within a block.
  std::optional<double> floor_bits(Split split) const override {
    const int64_t all = size(split), pair = 2 * config_.block;
    if (all == 0) return std::nullopt;
    const int64_t fresh = all / pair * config_.block + std::min(all % pair, config_.block);
    const double share = static_cast<double>(fresh) / static_cast<double>(all);
    const auto k = static_cast<double>(config_.symbols);
    const double other = config_.redraw / k, same = 1 - config_.redraw + other;
    double copy = -same * std::log2(same);
    if (other > 0) copy -= (k - 1) * other * std::log2(other);
    return share * std::log2(k) + (1 - share) * copy;
  }

  std::string identity(const BetweenPieces&) const override {
    return str("echo:", config_.symbols, ':', config_.block, ':', exact(config_.redraw), ':',
               config_.seed, ':', config_.size);
  }

  std::string describe() const override {
    return str("echo: ", config_.symbols, " symbols, blocks of ", config_.block, ", redrawn with ",
               config_.redraw, ", seed ", config_.seed, ": train ", grouped(size(Split::kTrain)),
               ", valid ", grouped(size(Split::kValid)), ", test ", grouped(size(Split::kTest)));
  }

 private:
  int32_t uniform(uint32_t word) const {
    return static_cast<int32_t>((uint64_t{word} * static_cast<uint64_t>(config_.symbols)) >> 32);
  }

  int32_t symbol(Split split, int64_t position) const {
    const PhiloxKey key = random_key(config_.seed, RandomUse::kData, 0);
    const int64_t pair = position / (2 * config_.block), place = position % (2 * config_.block);
    const PhiloxCounter words =
        random_words(key, static_cast<uint64_t>(pair), static_cast<uint32_t>(split),
                     static_cast<uint32_t>(place % config_.block));
    const bool redrawn = place >= config_.block && words[1] < config_.redraw * 0x1p32;
    return uniform(redrawn ? words[2] : words[0]);
  }

  void do_read(Split split, int64_t begin, int64_t count, int32_t* out) const override {
    for (int64_t i = 0; i < count; ++i) out[i] = symbol(split, begin + i);
  }

  EchoConfig config_;
  SplitBounds split_;
};

}  // namespace

std::unique_ptr<Dataset> make_echo(const DatasetConfig& config) {
  return std::make_unique<Echo>(config);
}

}  // namespace lacuna
