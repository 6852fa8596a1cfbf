// What every optimizer of src/optim/optimizers.def must satisfy.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "../catch.h"
#include "../compare.h"
#include "../expect_error.h"
#include "../random_tensor.h"
#include "lacuna/optim/optimizer.h"

using namespace lacuna;
using namespace lacuna::optim;

namespace {

// Matrices, which decay, between vectors, which do not; sizes that need padding.
const std::vector<nn::ParameterSpec> kSpecs{{"a.weight", {9, 7}, 0.5}, {"b.weight", {5, 20}, 0.5},
                                            {"b.bias", {5}, 0.5},      {"gain", {33}, 0.5},
                                            {"c.weight", {1, 1}, 0.5}, {"d.bias", {1}, 0.5}};

/// sum of curvature/2 * (weight - target)^2 over all weights. Padding has curvature 0.
struct Quadratic {
  std::vector<double> curvature, target;

  Quadratic(const nn::ParameterStore& store, uint64_t seed)
      : curvature(static_cast<size_t>(store.flat_count())), target(curvature) {
    Random random(seed);
    for (const nn::ParameterSlice& slice : store.slices()) {
      for (int64_t i = slice.offset; i < slice.offset + slice.count; ++i) {
        curvature[static_cast<size_t>(i)] = random.uniform(0.5, 2);
        target[static_cast<size_t>(i)] = random.uniform(-1, 1);
      }
    }
  }

  template <class T>
  double value(const nn::ParameterStore& store) const {
    double sum = 0;
    const T* weights = store.values().data<T>();
    for (size_t i = 0; i < target.size(); ++i) {
      const double distance = double(weights[i]) - target[i];
      sum += curvature[i] / 2 * distance * distance;
    }
    return sum;
  }

  /// `scale` times the gradient, into the store's.
  template <class T>
  void differentiate(const nn::ParameterStore& store, double scale) const {
    const T* weights = store.values().data<T>();
    T* gradients = store.gradients().data<T>();
    for (size_t i = 0; i < target.size(); ++i) {
      gradients[i] = T(scale * curvature[i] * (double(weights[i]) - target[i]));
    }
  }
};

/// An optimizer with moments of one type.
struct Case {
  OptimizerEntry entry;
  bool bf16_moments;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const OptimizerEntry& entry : known_optimizers()) {
    for (const bool bf16_moments : {false, true}) cases.push_back({entry, bf16_moments});
  }
  return cases;
}

/// Weights with an optimizer and an average, all in one type but perhaps the moments.
template <class T>
struct Training {
  Queue queue = Queue::cpu(2);
  nn::ParameterStore store{kSpecs, DTypeOf<T>::value, true};
  nn::ParameterStore averages{kSpecs, DTypeOf<T>::value, false};
  std::unique_ptr<Optimizer> optimizer;
  StepState state;
  bool in_ranges = false;  // three, the last one first

  Training(const Case& of, double weight_decay, uint64_t seed)
      : optimizer(make_optimizer(
            queue,
            {.name = of.entry.name, .weight_decay = weight_decay, .bf16_moments = of.bf16_moments},
            store)) {
    store.initialise(kSpecs, seed);
    averages.initialise(kSpecs, seed);
  }

  /// The `number`-th update (from 1) with the gradients as they are.
  void update(int64_t number, double rate = 0.01) {
    state.learning_rate = rate;
    state.updates = number;
    state.inputs.rounding_key = random_key(1, RandomUse::kRounding, static_cast<uint64_t>(number));
    state.average_decay = 0.5;
    for (const auto& [begin, end] : ranges()) {
      optimizer->update(queue, range_of(store, averages.values(), begin, end - begin), &state);
    }
  }

  /// Where each range of an update begins and ends.
  std::vector<std::pair<int64_t, int64_t>> ranges() const {
    const int64_t all = store.flat_count();
    if (!in_ranges) return {{0, all}};
    return {{96, all}, {0, 16}, {16, 96}};
  }

  void descend(const Quadratic& quadratic, int64_t first, int64_t last, double scale = 1) {
    state.gradient_scale = 1 / scale;
    for (int64_t number = first; number <= last; ++number) {
      quadratic.differentiate<T>(store, scale);
      update(number);
    }
  }

  /// Everything that a checkpoint holds: values, averages and the optimizer's buffers.
  std::vector<View> saved() const {
    std::vector<View> all{store.values(), averages.values()};
    for (const auto& [name, buffer] : optimizer->buffers()) all.push_back(buffer);
    return all;
  }
};

template <class T>
std::vector<std::vector<uint8_t>> contents(const Training<T>& training) {
  std::vector<std::vector<uint8_t>> all;
  for (const View& view : training.saved()) {
    const auto* bytes = static_cast<const uint8_t*>(view.raw());
    all.emplace_back(bytes, bytes + view.bytes());
  }
  return all;
}

template <class T>
void continue_half_way(const Case& of) {
  Training<T> whole(of, 0.1, 1), first(of, 0.1, 1), second(of, 0.1, 2);
  const Quadratic quadratic(whole.store, 3);
  whole.descend(quadratic, 1, 12);
  first.descend(quadratic, 1, 6);
  const std::vector<View> from = first.saved(), to = second.saved();
  REQUIRE(from.size() == to.size());
  for (size_t i = 0; i < from.size(); ++i) {
    REQUIRE(from[i].count() == to[i].count());
    std::memcpy(to[i].raw(), from[i].raw(), from[i].bytes());
  }
  second.descend(quadratic, 7, 12);
  const auto wanted = contents(whole), got = contents(second);
  for (size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(got[i], wanted[i]));
  }
}

}  // namespace

TEST_CASE("Every optimizer lowers a quadratic from wherever it starts", "[tables]") {
  for (const Case& of : all_cases()) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      CAPTURE(of.entry.name, of.bf16_moments, seed);
      Training<double> training(of, 0, seed);
      const Quadratic quadratic(training.store, seed + 100);
      const double start = quadratic.value<double>(training.store);
      training.descend(quadratic, 1, 300);
      CHECK(quadratic.value<double>(training.store) < 0.3 * start);
    }
  }
}

TEST_CASE("Weight decay of every optimizer shrinks each weight of matrices and no other",
          "[tables]") {
  for (const Case& of : all_cases()) {
    CAPTURE(of.entry.name, of.bf16_moments);
    Training<double> decayed(of, 0.1, 4), kept(of, 0, 4);
    const auto start = elements<double>(kept.store.values());
    for (int64_t number = 1; number <= 10; ++number) {  // of a gradient of zero
      decayed.update(number);
      kept.update(number);
    }
    CHECK(same_bits(elements<double>(kept.store.values()), start));
    const auto end = elements<double>(decayed.store.values());
    for (const nn::ParameterSlice& slice : decayed.store.slices()) {
      for (int64_t i = slice.offset; i < slice.offset + slice.count; ++i) {
        CAPTURE(slice.name, i);
        const double before = start[static_cast<size_t>(i)], after = end[static_cast<size_t>(i)];
        if (slice.decays()) {
          CHECK(std::fabs(after) < std::fabs(before));
          CHECK(after * before > 0);
        } else {
          CHECK(after == before);
        }
      }
    }
  }
}

TEST_CASE("Every optimizer goes on from its buffers with the bits of an undisturbed one",
          "[tables]") {
  for (const Case& of : all_cases()) {
    CAPTURE(of.entry.name, of.bf16_moments);
    continue_half_way<double>(of);
    continue_half_way<float>(of);
  }
}

TEST_CASE("Every optimizer gives the same bits range by range, in any order", "[tables]") {
  for (const Case& of : all_cases()) {
    CAPTURE(of.entry.name, of.bf16_moments);
    Training<float> whole(of, 0.1, 1), parts(of, 0.1, 1);
    parts.in_ranges = true;
    const Quadratic quadratic(whole.store, 3);
    whole.descend(quadratic, 1, 5);
    parts.descend(quadratic, 1, 5);
    CHECK(contents(whole) == contents(parts));
  }
}

TEST_CASE("Every optimizer averages the updated weights, and undoes the scale of gradients",
          "[tables]") {
  for (const Case& of : all_cases()) {
    CAPTURE(of.entry.name, of.bf16_moments);
    Training<double> plain(of, 0.1, 5), scaled(of, 0.1, 5);
    const Quadratic quadratic(plain.store, 6);
    plain.descend(quadratic, 1, 3);
    scaled.descend(quadratic, 1, 3, 1024);
    CHECK(contents(plain) == contents(scaled));
    const auto before = elements<double>(plain.averages.values());
    plain.descend(quadratic, 4, 4);
    const auto values = elements<double>(plain.store.values());
    const auto after = elements<double>(plain.averages.values());
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(after[i] == Approx((before[i] + values[i]) / 2).margin(1e-15));
    }
  }
}

TEST_CASE("Every optimizer leaves everything as it is at a step that is skipped", "[tables]") {
  for (const Case& of : all_cases()) {
    CAPTURE(of.entry.name, of.bf16_moments);
    Training<double> training(of, 0.1, 7);
    const Quadratic quadratic(training.store, 8);
    training.descend(quadratic, 1, 3);
    const auto before = contents(training);
    training.state.skipped = 1;
    training.descend(quadratic, 4, 4);
    CHECK(contents(training) == before);
    training.state.skipped = 0;
    training.descend(quadratic, 4, 4);
    CHECK(contents(training) != before);
  }
}

TEST_CASE("Every optimizer keeps as much as its table says, under names that differ", "[tables]") {
  for (const Case& of : all_cases()) {
    CAPTURE(of.entry.name, of.bf16_moments);
    CHECK(std::string(of.entry.description).size() > 10);
    const Training<double> training(of, 0, 9);
    std::set<std::string> names;
    int64_t numbers = 0;
    for (const auto& [name, buffer] : training.optimizer->buffers()) {
      CHECK(!name.empty());
      CHECK(names.insert(name).second);
      numbers += buffer.count();
      CHECK(buffer.dtype() == (of.bf16_moments ? DType::kBF16 : DType::kF64));
    }
    CHECK(numbers == of.entry.moments * training.store.flat_count());
    const auto least = static_cast<size_t>(numbers) * (of.bf16_moments ? 2 : sizeof(double));
    CHECK(training.optimizer->bytes() >= least);
    CHECK(training.optimizer->bytes() < least + least / 10 + 16);
    expect_error(ErrorKind::kConfig, of.entry.name, [] { find_optimizer("zzzzzzzzzzzzzzzzzzzz"); });
  }
}
