// Data for benchmarks: uniform symbols that cost nothing to read.
#pragma once

#include "lacuna/base/rng.h"
#include "lacuna/data/dataset.h"

namespace lacuna::cli {

class RandomSymbols final : public Dataset {
 public:
  explicit RandomSymbols(std::unique_ptr<Medium> medium)
      : RandomSymbols(medium->vocabulary(), medium) {}

  std::string identity(const BetweenPieces&) const override { return "random symbols"; }
  std::string describe() const override { return "random symbols"; }

 private:
  RandomSymbols(int64_t vocabulary, std::unique_ptr<Medium>& medium)
      : Dataset(std::move(medium), parts(vocabulary)) {}

  class Row final : public Part {
   public:
    explicit Row(int64_t vocabulary) : vocabulary_(static_cast<uint64_t>(vocabulary)) {}
    int64_t size() const override { return int64_t{1} << 24; }

   private:
    void do_read(int64_t begin, int64_t count, int32_t* out) const override {
      for (int64_t i = 0; i < count; ++i) {
        out[i] = static_cast<int32_t>(mix64(static_cast<uint64_t>(begin + i)) % vocabulary_);
      }
    }
    uint64_t vocabulary_;
  };

  static Parts parts(int64_t vocabulary) {
    Parts parts{.train = std::make_unique<Row>(vocabulary)};
    parts.valid.push_back({"valid", empty_part()});
    return parts;
  }
};

}  // namespace lacuna::cli
