// Format "echo": a synthetic source with a known entropy. A block of L symbols, uniform over k, is
// followed by its copy, in which each symbol is drawn anew (uniform over all k) with probability e.
// To predict a copy one must look L positions back. Every symbol is a pure function of its place.
#include <algorithm>
#include <cmath>

#include "lacuna/base/error.h"
#include "lacuna/base/rng.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/data/split.h"

namespace lacuna {
namespace {

struct Source {
  int64_t symbols;  // k
  int64_t block;    // L
  double redraw;    // e
  int64_t size;     // symbols in all parts together
  uint64_t seed;

  explicit Source(const FormatValues& values)
      : symbols(values.whole("symbols")),
        block(values.whole("block")),
        redraw(values.number("redraw")),
        size(values.whole("size")),
        seed(static_cast<uint64_t>(values.whole("seed"))) {}
};

class EchoPart final : public Part {
 public:
  EchoPart(const Source& source, Split split, int64_t size)
      : source_(source), split_(split), size_(size) {}

  int64_t size() const override { return size_; }

  // A fresh symbol has log2 k bits. A copied one is the original with p = 1 - e + e/k, each of the
  // k - 1 others with e/k. A part may end within a block.
  std::optional<double> floor_bits() const override {
    const int64_t pair = 2 * source_.block;
    if (size_ == 0) return std::nullopt;
    const int64_t fresh = size_ / pair * source_.block + std::min(size_ % pair, source_.block);
    const double share = static_cast<double>(fresh) / static_cast<double>(size_);
    const auto k = static_cast<double>(source_.symbols);
    const double other = source_.redraw / k, same = 1 - source_.redraw + other;
    double copy = -same * std::log2(same);
    if (other > 0) copy -= (k - 1) * other * std::log2(other);
    return share * std::log2(k) + (1 - share) * copy;
  }

 private:
  int32_t uniform(uint32_t word) const {
    return static_cast<int32_t>((uint64_t{word} * static_cast<uint64_t>(source_.symbols)) >> 32);
  }

  int32_t symbol(int64_t position) const {
    const PhiloxKey key = random_key(source_.seed, RandomUse::kData, 0);
    const int64_t pair = position / (2 * source_.block), place = position % (2 * source_.block);
    const PhiloxCounter words =
        random_words(key, static_cast<uint64_t>(pair), static_cast<uint32_t>(split_),
                     static_cast<uint32_t>(place % source_.block));
    const bool redrawn = place >= source_.block && words[1] < source_.redraw * 0x1p32;
    return uniform(redrawn ? words[2] : words[0]);
  }

  void do_read(int64_t begin, int64_t count, int32_t* out) const override {
    for (int64_t i = 0; i < count; ++i) out[i] = symbol(begin + i);
  }

  Source source_;
  Split split_;
  int64_t size_;
};

std::unique_ptr<Medium> medium_of_echo(const FormatValues& values) {
  const Source source(values);
  return symbol_medium(source.symbols, {.alignment = 2 * source.block, .shifted = false});
}

class Echo final : public Dataset {
 public:
  Echo(const FormatValues& values, Parts parts)
      : Dataset(medium_of_echo(values), std::move(parts)), source_(values) {}

  std::string identity(const BetweenPieces&) const override {
    return str("echo:", source_.symbols, ':', source_.block, ':', exact(source_.redraw), ':',
               source_.seed, ':', source_.size);
  }

  std::string describe() const override {
    return str("echo: ", source_.symbols, " symbols, blocks of ", source_.block, ", redrawn with ",
               source_.redraw, ", seed ", source_.seed, ": train ", grouped(train().size()),
               ", valid ", grouped(valid().front().part->size()), ", test ",
               grouped(test().size()));
  }

 private:
  Source source_;
};

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  if (!config.valid_paths.empty() || !config.test_paths.empty()) {
    throw Error(ErrorKind::kConfig, "data.valid_paths", "the format echo reads no files",
                "Leave the paths of parts out, or choose another data.format");
  }
  const Source source(config.values);
  const SplitBounds split =
      parse_split(config.split.empty() ? kUsualSplit : config.split, source.size);
  const auto part = [&](Split which) {
    return std::make_unique<EchoPart>(source, which, split.size(which));
  };
  Parts parts{.train = part(Split::kTrain), .test = part(Split::kTest)};
  parts.valid.push_back({"valid", part(Split::kValid)});
  return std::make_unique<Echo>(config.values, std::move(parts));
}

}  // namespace

DatasetFormat echo_format() {
  return {
      .options = {{"symbols", int64_t{16}, between(2, 256), "number of symbols k"},
                  {"block", int64_t{64}, between(1, 1048576),
                   "length L of a block and of its copy; model.context must be a multiple of 2 L"},
                  {"redraw", 0.1, between(0, 1), "probability that a copied symbol is drawn anew"},
                  {"size", int64_t{16'000'000}, between(1, 1e15), "symbols in all parts together"},
                  {"seed", int64_t{1}, between(0, 9007199254740992), "seed of the data"}},
      .medium = medium_of_echo,
      .open = open};
}

}  // namespace lacuna
