#include "lacuna/data/sample_order.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"

using namespace lacuna;

namespace {

std::vector<int64_t> epoch_of(const SampleOrder& order, int64_t epoch) {
  std::vector<int64_t> begins;
  for (int64_t i = 0; i < order.windows(); ++i) {
    begins.push_back(order.begin(static_cast<uint64_t>(epoch * order.windows() + i)));
  }
  return begins;
}

}  // namespace

TEST_CASE("each epoch visits each non-overlapping window exactly once, within bounds") {
  for (int64_t window : {1, 2, 3, 7, 16}) {
    std::vector<int64_t> sizes;
    for (int64_t n = window; n < 6 * window + 3; ++n) sizes.push_back(n);
    for (const int64_t n : {100, 255, 256, 257, 1000, 4097}) sizes.push_back(n);
    for (const int64_t n : sizes) {
      for (const bool shift : {false, true}) {
        INFO("n " << n << " window " << window << " shift " << shift);
        const SampleOrder order(n, window, 5, {.shifted = shift});
        // The most windows for which every offset below `window` fits, but at least one.
        int64_t expected = n / window;
        while (shift && expected > 1 && (window - 1) + expected * window > n) --expected;
        REQUIRE(order.windows() == expected);
        for (int64_t epoch = 0; epoch < 5; ++epoch) {
          std::vector<int64_t> begins = epoch_of(order, epoch);
          std::sort(begins.begin(), begins.end());
          REQUIRE(begins.front() >= 0);
          REQUIRE(begins.front() < window);
          if (!shift) REQUIRE(begins.front() == 0);
          REQUIRE(begins.back() + window <= n);
          for (size_t i = 1; i < begins.size(); ++i) REQUIRE(begins[i] - begins[i - 1] == window);
        }
      }
    }
  }
}

TEST_CASE("the order differs between epochs and seeds and is the same for the same ones") {
  const SampleOrder order(10'000, 10, 1, {.shifted = false}),
      same(10'000, 10, 1, {.shifted = false});
  const SampleOrder other(10'000, 10, 2, {.shifted = false});
  const auto first = epoch_of(order, 0);
  CHECK(first == epoch_of(same, 0));
  const auto agreements = [&](const std::vector<int64_t>& second) {
    int64_t count = 0;
    for (size_t i = 0; i < first.size(); ++i) count += first[i] == second[i] ? 1 : 0;
    return count;
  };
  // Two random permutations agree in one place on average (Poisson): 10 has a chance near 1e-7.
  CHECK(agreements(epoch_of(order, 1)) < 10);
  CHECK(agreements(epoch_of(order, 1'000'000'007)) < 10);
  CHECK(agreements(epoch_of(other, 0)) < 10);
  std::vector<int64_t> sorted = first;
  std::sort(sorted.begin(), sorted.end());
  CHECK(agreements(sorted) < 10);
}

TEST_CASE("small orders are all reached, about equally often") {
  // windows -> number of orders; chi-squared with `orders - 1` degrees of freedom.
  for (const int64_t windows : {2, 3, 4}) {
    const SampleOrder order(windows, 1, 77, {.shifted = false});
    std::map<std::vector<int64_t>, int> seen;
    constexpr int kEpochs = 12'000;
    for (int epoch = 0; epoch < kEpochs; ++epoch) ++seen[epoch_of(order, epoch)];
    size_t orders = 1;
    for (int64_t i = 2; i <= windows; ++i) orders *= static_cast<size_t>(i);
    CHECK(seen.size() == orders);
    const double expected = static_cast<double>(kEpochs) / static_cast<double>(orders);
    double chi_squared = 0;
    for (const auto& [permutation, count] : seen) {
      chi_squared += (count - expected) * (count - expected) / expected;
    }
    const auto freedom = static_cast<double>(orders - 1);
    CHECK(chi_squared < freedom + 5 * std::sqrt(2 * freedom) + 5);
  }
}

TEST_CASE("the offset of an epoch takes every allowed value about equally often") {
  const SampleOrder order(1000, 8, 3, {.shifted = true});
  std::vector<int> seen(8);
  constexpr int kEpochs = 8000;
  for (int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    ++seen[static_cast<size_t>(order.begin(static_cast<uint64_t>(epoch * order.windows())) % 8)];
  }
  for (const int count : seen) CHECK(std::abs(count - 1000) < 5 * std::sqrt(1000.0));
}

TEST_CASE("one window that just fits has no room to shift") {
  const SampleOrder exact(16, 16, 9, {.shifted = true});
  CHECK(exact.windows() == 1);
  for (uint64_t sample = 0; sample < 20; ++sample) CHECK(exact.begin(sample) == 0);
  std::set<int64_t> begins;
  const SampleOrder loose(18, 16, 9, {.shifted = true});
  for (uint64_t sample = 0; sample < 200; ++sample) begins.insert(loose.begin(sample));
  CHECK(begins == std::set<int64_t>{0, 1, 2});
}

TEST_CASE("far samples of a huge part are within bounds") {
  const int64_t symbols = int64_t{1} << 62;
  const SampleOrder order(symbols, 1, 4, {.shifted = true});
  CHECK(order.windows() == symbols);
  for (const uint64_t sample : {uint64_t{0}, uint64_t{1} << 62, ~uint64_t{0}}) {
    CHECK(order.begin(sample) >= 0);
    CHECK(order.begin(sample) < symbols);
  }
}

TEST_CASE("a part shorter than a window is a data error that tells what to lower") {
  expect_error(ErrorKind::kData, "model.context",
               [] { SampleOrder(15, 16, 1, {.shifted = true}); });
  expect_error(ErrorKind::kData, "model.context", [] { SampleOrder(0, 1, 1, {.shifted = false}); });
}

TEST_CASE("windows stay within stretches, and of several every symbol has its turn") {
  // Of the lengths 6 (a window that just fits), 17 (2.8 windows), 5 (none fits) and 24.
  const std::vector<int64_t> begins{0, 6, 23, 28};
  for (const int64_t alignment : {1, 2}) {
    const SampleOrder order(52, begins, 6, 4, {.alignment = alignment});
    CHECK(order.windows() == 1 + 2 + 0 + 3);
    std::vector<int> seen(52);
    for (uint64_t sample = 0; sample < 6'000; ++sample) {
      const int64_t begin = order.begin(sample);
      const auto after = std::upper_bound(begins.begin(), begins.end(), begin);
      const int64_t stretch = *(after - 1), end = after == begins.end() ? 52 : *after;
      REQUIRE(begin + 6 <= end);
      REQUIRE((begin - stretch) % alignment == 0);
      for (int64_t i = begin; i < begin + 6; ++i) ++seen[static_cast<size_t>(i)];
    }
    for (int64_t i = 0; i < 52; ++i) {
      const bool cut_off = alignment == 2 && i == 22;  // no aligned window ends there
      INFO("symbol " << i << " alignment " << alignment);
      CHECK((seen[static_cast<size_t>(i)] > 0) == ((i < 23 || i >= 28) && !cut_off));
    }
  }
}

TEST_CASE("samples are read as the rows that the order names") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i);
  const auto data =
      open_dataset({.format = "bytes", .paths = {folder.put("f", text)}, .split = "80 / 20"});
  const SampleOrder order(80, 7, 11, {.shifted = true});
  std::vector<int32_t> rows(5 * 7);
  read_samples(*data, order, 23, 5, rows.data());
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t t = 0; t < 7; ++t) {
      REQUIRE(rows[static_cast<size_t>(i * 7 + t)] ==
              order.begin(static_cast<uint64_t>(23 + i)) + t);
    }
  }
}
