#include <cmath>
#include <vector>

#include "../catch.h"
#include "lacuna/data/dataset.h"

using namespace lacuna;

namespace {

struct EchoConfig {
  int64_t symbols = 16, block = 64;
  double redraw = 0.1;
  int64_t size = 16'000'000, seed = 1;
};

DatasetConfig echo(const EchoConfig& config) {
  return {.format = "echo",
          .split = "0.5 / 0.25 / 0.25",
          .values = FormatValues({{"symbols", config.symbols},
                                  {"block", config.block},
                                  {"redraw", config.redraw},
                                  {"size", config.size},
                                  {"seed", config.seed}})};
}

std::vector<int32_t> all_of(const Dataset& data, Split split) {
  std::vector<int32_t> symbols(static_cast<size_t>(data.part(split).size()));
  data.part(split).read(0, data.part(split).size(), symbols.data());
  return symbols;
}

}  // namespace

TEST_CASE("the floor of echo is the entropy of its two halves") {
  // k=16, e=0.1: 4 bits for a fresh symbol; for a copy 0.90625 and 15 times 0.00625.
  const double copy = -(0.90625 * std::log2(0.90625) + 15 * 0.00625 * std::log2(0.00625));
  CHECK(open_dataset(echo({}))->part(Split::kTrain).floor_bits() ==
        Approx((4 + copy) / 2).epsilon(1e-12));
  CHECK(*open_dataset(echo({}))->part(Split::kTrain).floor_bits() == Approx(2.41).margin(0.005));
  CHECK(open_dataset(echo({.symbols = 4, .redraw = 0}))->part(Split::kTrain).floor_bits() ==
        Approx(1));
  // 40 symbols of blocks of 16: a whole pair and 8 fresh ones.
  const auto ragged = open_dataset(echo({.symbols = 4, .block = 16, .redraw = 0, .size = 80}));
  CHECK(ragged->part(Split::kTrain).floor_bits() == Approx(2 * 24 / 40.0));
  CHECK(open_dataset(echo({.symbols = 4, .redraw = 1}))->part(Split::kTrain).floor_bits() ==
        Approx(2));
}

TEST_CASE("a block of echo is uniform, and its copy repeats it but for the redrawn symbols") {
  const auto data = open_dataset(echo({.symbols = 5, .block = 7, .redraw = 0.3, .size = 560'000}));
  CHECK(data->medium().grid().alignment == 14);
  const auto symbols = all_of(*data, Split::kTrain);
  std::vector<int64_t> counts(5);
  int64_t same = 0, copies = 0;
  for (size_t i = 0; i < symbols.size(); ++i) {
    REQUIRE(symbols[i] >= 0);
    REQUIRE(symbols[i] < 5);
    ++counts[static_cast<size_t>(symbols[i])];
    if (i % 14 < 7) continue;
    ++copies;
    if (symbols[i] == symbols[i - 7]) ++same;
  }
  const auto total = static_cast<double>(symbols.size());
  for (const int64_t count : counts)
    CHECK(static_cast<double>(count) / total == Approx(0.2).margin(0.005));
  // 140,000 draws: a standard deviation of 0.0012.
  CHECK(static_cast<double>(same) / static_cast<double>(copies) ==
        Approx(0.7 + 0.3 / 5).margin(0.006));
}

TEST_CASE("parts and seeds of echo are different, and reading in pieces gives the same") {
  const auto data = open_dataset(echo({.size = 40'000}));
  const auto train = all_of(*data, Split::kTrain), valid = all_of(*data, Split::kValid);
  CHECK(!std::equal(valid.begin(), valid.end(), train.begin()));
  CHECK(all_of(*open_dataset(echo({.size = 40'000, .seed = 2})), Split::kTrain) != train);
  std::vector<int32_t> piece(100);
  data->part(Split::kTrain).read(777, 100, piece.data());
  CHECK(std::equal(piece.begin(), piece.end(), train.begin() + 777));
}
