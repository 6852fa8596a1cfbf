// A dataset that lies in memory, and text to fill it with.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lacuna/data/dataset.h"

class MemoryData : public lacuna::Dataset {
 public:
  MemoryData(int64_t vocabulary, std::vector<int32_t> train, std::vector<int32_t> valid)
      : vocabulary_(vocabulary), parts_{std::move(train), std::move(valid), {}} {}

  int64_t vocabulary() const override { return vocabulary_; }
  int64_t size(lacuna::Split split) const override {
    return static_cast<int64_t>(part(split).size());
  }
  std::string identity(const lacuna::BetweenPieces&) const override { return "memory"; }
  std::string describe() const override { return "memory"; }

 private:
  const std::vector<int32_t>& part(lacuna::Split split) const {
    return parts_[static_cast<size_t>(split)];
  }
  void do_read(lacuna::Split split, int64_t begin, int64_t count, int32_t* out) const override {
    std::copy_n(part(split).begin() + begin, count, out);
  }

  int64_t vocabulary_;
  std::array<std::vector<int32_t>, 3> parts_;
};

/// The bytes of "0 1 2 3 ...", `count` of them from number `first` on.
inline std::vector<int32_t> counting_text(size_t count, int first) {
  std::string text;
  for (int number = first; text.size() < count; ++number) text += std::to_string(number) + ' ';
  return {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(count)};
}
