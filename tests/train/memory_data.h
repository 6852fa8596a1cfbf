// A dataset that lies in memory, and text to fill it with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lacuna/data/dataset.h"

class MemoryPart : public lacuna::Part {
 public:
  explicit MemoryPart(std::vector<int32_t> symbols) : symbols_(std::move(symbols)) {}

  int64_t size() const override { return static_cast<int64_t>(symbols_.size()); }

 private:
  void do_read(int64_t begin, int64_t count, int32_t* out) const override {
    std::copy_n(symbols_.begin() + begin, count, out);
  }

  std::vector<int32_t> symbols_;
};

class MemoryData : public lacuna::Dataset {
 public:
  MemoryData(int64_t vocabulary, std::vector<int32_t> train, std::vector<int32_t> valid)
      : Dataset(lacuna::symbol_medium(vocabulary, {}), parts(std::move(train), std::move(valid))) {}

  std::string identity(const lacuna::BetweenPieces&) const override { return "memory"; }
  std::string describe() const override { return "memory"; }

 private:
  static lacuna::Parts parts(std::vector<int32_t> train, std::vector<int32_t> valid) {
    lacuna::Parts parts{.train = std::make_unique<MemoryPart>(std::move(train))};
    parts.valid.push_back({"valid", std::make_unique<MemoryPart>(std::move(valid))});
    return parts;
  }
};

/// The bytes of "0 1 2 3 ...", `count` of them from number `first` on.
inline std::vector<int32_t> counting_text(size_t count, int first) {
  std::string text;
  for (int number = first; text.size() < count; ++number) text += std::to_string(number) + ' ';
  return {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// What is never to be stopped.
inline const auto never = [] { return false; };
