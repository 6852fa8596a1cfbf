// A dataset for benchmarks: uniform bytes that cost nothing to read.
#pragma once

#include "lacuna/base/rng.h"
#include "lacuna/data/dataset.h"

namespace lacuna::cli {

class RandomBytes : public Dataset {
 public:
  int64_t vocabulary() const override { return 256; }
  int64_t size(Split) const override { return int64_t{1} << 24; }
  std::string identity(const BetweenPieces&) const override { return "random bytes"; }
  std::string describe() const override { return "random bytes"; }

 private:
  void do_read(Split, int64_t begin, int64_t count, int32_t* out) const override {
    for (int64_t i = 0; i < count; ++i) {
      out[i] = static_cast<int32_t>(mix64(static_cast<uint64_t>(begin + i)) & 0xFF);
    }
  }
};

}  // namespace lacuna::cli
