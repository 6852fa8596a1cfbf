#include "lacuna/optim/optimizer.h"

#include <cmath>

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;
using namespace lacuna::optim;

namespace {

// Matrices, which decay, between vectors, which do not; sizes that need padding.
const std::vector<nn::ParameterSpec> kSpecs{{"a.weight", {3, 7}, 0.5}, {"b.weight", {5, 4}, 0.5},
                                            {"b.bias", {5}, 0.5},      {"gain", {33}, 0.5},
                                            {"c.weight", {1, 1}, 0.5}, {"d.bias", {1}, 0.5}};

// One weight with its history, by the formula of the paper's released code.
struct Weight {
  double value, average, mean = 0, variance = 0;

  void update(double gradient, double decay, double rate, int64_t t, double keep,
              const OptimizerConfig& config) {
    mean = config.beta1 * mean + (1 - config.beta1) * gradient;
    variance = config.beta2 * variance + (1 - config.beta2) * gradient * gradient;
    const auto n = static_cast<double>(t);
    const double step =
        rate * std::sqrt(1 - std::pow(config.beta2, n)) / (1 - std::pow(config.beta1, n));
    value -= step * (mean / (std::sqrt(variance) + config.eps) + decay * value);
    average = keep * average + (1 - keep) * value;
  }
};

}  // namespace

TEST_CASE("AdamW follows its formula, decays matrices alone and averages after the update") {
  const OptimizerConfig config{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1};
  nn::ParameterStore store(kSpecs, DType::kF64, true);
  store.initialise(kSpecs, 3);
  const nn::ParameterStore averages(kSpecs, DType::kF64, false);
  Queue queue = Queue::cpu(2);
  const auto optimizer = make_optimizer(queue, config, store);

  std::vector<std::vector<Weight>> expected;
  for (const nn::ParameterSpec& spec : kSpecs) {
    const double* values = store.at(spec.name).value.data<double>();
    expected.emplace_back();
    for (int64_t i = 0; i < spec.shape.count(); ++i) expected.back().push_back({values[i], 0});
  }
  for (int64_t update = 1; update <= 3; ++update) {
    const double rate = 0.1 * static_cast<double>(update), clip = 0.5, keep = 0.25;
    for (size_t k = 0; k < kSpecs.size(); ++k) {
      double* gradients = store.at(kSpecs[k].name).gradient.data<double>();
      const double decay = kSpecs[k].shape.rank() == 2 ? config.weight_decay : 0;
      for (size_t i = 0; i < expected[k].size(); ++i) {
        gradients[i] =
            std::sin(static_cast<double>(100 * k + 10 * i) + static_cast<double>(update));
        expected[k][i].update(clip * gradients[i], decay, rate, update, keep, config);
      }
    }
    StepState state;
    state.learning_rate = rate;
    state.updates = update;
    state.gradient_scale = clip;
    state.average_decay = keep;
    optimizer->update(queue, range_of(store, averages.values()), &state);
    for (size_t k = 0; k < kSpecs.size(); ++k) {
      const double* values = store.at(kSpecs[k].name).value.data<double>();
      const double* means = averages.at(kSpecs[k].name).value.data<double>();
      for (size_t i = 0; i < expected[k].size(); ++i) {
        INFO(kSpecs[k].name << '[' << i << "], update " << update);
        REQUIRE(values[i] == Approx(expected[k][i].value).epsilon(1e-13));
        REQUIRE(means[i] == Approx(expected[k][i].average).epsilon(1e-13));
      }
    }
  }
}

TEST_CASE("an update without averages is the same update") {
  nn::ParameterStore with(kSpecs, DType::kF32, true), without(kSpecs, DType::kF32, true);
  const nn::ParameterStore averages(kSpecs, DType::kF32, false);
  Queue queue = Queue::cpu(1);
  StepState state;
  state.learning_rate = 0.01;
  state.updates = 1;
  for (nn::ParameterStore* store : {&with, &without}) {
    store->initialise(kSpecs, 3);
    std::fill_n(store->gradients().data<float>(), store->flat_count(), 0.5f);
    const auto optimizer = make_optimizer(queue, {}, *store);
    optimizer->update(queue, range_of(*store, store == &with ? averages.values() : View()), &state);
  }
  const float *a = with.values().data<float>(), *b = without.values().data<float>();
  CHECK(std::equal(a, a + with.flat_count(), b));
}

TEST_CASE("AdamW shows the buffers that a continued run needs") {
  const nn::ParameterStore store(kSpecs, DType::kF32, true);
  Queue queue = Queue::cpu(1);
  const auto optimizer = make_optimizer(queue, {}, store);
  const auto buffers = optimizer->buffers();
  REQUIRE(buffers.size() == 2);
  CHECK(buffers[0].first == "mean");
  CHECK(buffers[1].first == "variance");
  for (const auto& [name, view] : buffers) CHECK(view.count() == store.flat_count());
}

TEST_CASE("an unknown optimizer is answered with the nearest name") {
  const nn::ParameterStore store(kSpecs, DType::kF32, true);
  Queue queue = Queue::cpu(1);
  expect_error(ErrorKind::kConfig, "Did you mean 'adamw'?",
               [&] { make_optimizer(queue, {.name = "adamww"}, store); });
}
