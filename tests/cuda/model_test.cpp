// Whole models and whole training steps on the GPU: against the CPU in double precision, replayed
// against launched one by one, one run against another, and decoding against whole passes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../catch.h"
#include "../compare.h"
#include "../nn/tiny_model.h"
#include "../random_tensor.h"
#include "../train/memory_data.h"
#include "lacuna/train/decode_program.h"
#include "lacuna/train/program.h"
#include "lacuna/train/trainer.h"
#include "parity.h"

using namespace lacuna;
using namespace parity;

namespace {

nn::ModelConfig config_of(const std::vector<std::string>& attention, int64_t context) {
  nn::ModelConfig config{.layers = 3, .heads = 2, .width = 32, .context = context};
  config.qk_width = 16;
  config.vocabulary = 19;
  config.attention = attention;
  return config.resolved();
}

/// A model on a device with the values of a draw that is the same everywhere.
struct Placed {
  nn::ParameterStore parameters;
  nn::Transformer model;

  Placed(const Queue& queue, const nn::ModelConfig& config, DType dtype)
      : parameters(queue, lively(nn::parameter_specs(config)), dtype, true),
        model(config, parameters) {
    parameters.initialise(lively(nn::parameter_specs(config)), 7);
  }
};

void fill_tokens(int32_t* tokens, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<int32_t>(mix64(static_cast<uint64_t>(i)) % 19);
  }
}

std::vector<double> whole_logits(const Queue& queue, const nn::Transformer& model, int64_t batch) {
  train::Program program = train::Program::evaluation(queue, model, batch);
  fill_tokens(program.tokens(), batch * model.config().context);
  program.run(model);
  return elements<double>(widened(program.logits()));
}

/// Gradients of all parameters by name, after one pass.
std::vector<std::vector<double>> gradients(const Queue& queue, const Placed& placed) {
  const proof::OnDevice<StepState> state(queue);
  train::Program program = train::Program::training(queue, placed.model, 2, 0.01, state.get());
  fill_tokens(program.tokens(), 2 * placed.model.config().context);
  program.run(placed.model);
  const Tensor flat = widened(queue.to_host(placed.parameters.gradients()));
  std::vector<std::vector<double>> parts;
  for (const nn::ParameterSlice& slice : placed.parameters.slices()) {
    parts.push_back(elements<double>(nn::ParameterStore::slice_of(flat, slice)));
  }
  return parts;
}

train::Options small_options(const std::string& device, const std::string& precision) {
  train::Options options;
  options.model.layers = 2;
  options.model.heads = 2;
  options.model.width = 32;
  options.model.context = 48;
  options.model.attention = {"fixed(8, 2)", "strided(8)"};
  options.model.dropout = 0.2;
  options.model.embedding_std = 0.5;
  options.optim.learning_rate = 0.005;
  options.optim.warmup = "5 steps";
  options.train.length = "30 steps";
  options.train.batch = 3;
  options.train.accumulation = 2;
  options.train.device = device;
  options.train.precision = precision;
  return options;
}

const MemoryData& text() {
  static const MemoryData data(256, counting_text(4000, 0), counting_text(300, 900));
  return data;
}

struct Trained {
  std::vector<double> bits, weights, averages;
};

Trained trained(const train::Options& options, int steps) {
  train::Trainer trainer(options, text());
  Trained result;
  for (int i = 0; i < steps; ++i) {
    trainer.begin_step();
    while (trainer.unfinished() > trainer.steps_ahead()) {
      result.bits.push_back(trainer.finish_step().bits);
    }
  }
  while (trainer.unfinished() > 0) result.bits.push_back(trainer.finish_step().bits);
  const auto values = [&](train::Weights which) {
    return elements<double>(widened(trainer.queue().to_host(trainer.weights(which).values())));
  };
  result.weights = values(train::Weights::kRaw);
  result.averages = values(train::Weights::kAverage);
  return result;
}

}  // namespace

TEST_CASE("A whole model on the GPU in f32 has the logits and gradients of f64 on the CPU",
          "[model]") {
  for (const auto& attention : all_combinations()) {
    for (const int64_t context : {13, 64}) {
      CAPTURE(attention, context);
      const nn::ModelConfig config = config_of(attention, context);
      const Placed exact(Queue::cpu(2), config, DType::kF64);
      const Placed placed(gpu_queue(), config, DType::kF32);
      // Three layers of sums of up to 128 products of numbers of ordinary size, in f32.
      constexpr double kTolerance = 3e-5;
      CHECK(relative_error(whole_logits(gpu_queue(), placed.model, 2),
                           whole_logits(Queue::cpu(2), exact.model, 2)) <= kTolerance);
      const auto got = gradients(gpu_queue(), placed), want = gradients(Queue::cpu(2), exact);
      for (size_t k = 0; k < want.size(); ++k) {
        INFO(placed.parameters.slices()[k].name);
        // The gradient of the keys' bias is zero but for rounding: softmax does not see it.
        const bool keys = placed.parameters.slices()[k].name.ends_with("qkv.bias");
        CHECK(relative_error(got[k], want[k]) <= (keys ? 10 : 1) * kTolerance);
      }
    }
  }
}

TEST_CASE("Decoding on the GPU gives the logits of a whole pass", "[model]") {
  for (const auto& attention : all_combinations()) {
    const nn::ModelConfig config = config_of(attention, 29);
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      CAPTURE(attention, name_of(dtype));
      const Placed placed(gpu_queue(), config, dtype);
      const std::vector<double> want = whole_logits(gpu_queue(), placed.model, 2);
      train::DecodeProgram program(gpu_queue(), placed.model, 2);
      std::vector<int32_t> tokens(2 * 29);
      fill_tokens(tokens.data(), 2 * 29);
      std::vector<double> got(want.size());
      for (int64_t t = 0; t < 29; ++t) {
        for (int64_t b = 0; b < 2; ++b) {
          program.tokens()[b] = t == 0 ? 0 : tokens[static_cast<size_t>(b * 29 + t - 1)];
        }
        program.run(t);
        const std::vector<double> row = elements<double>(widened(program.logits()));
        for (int64_t b = 0; b < 2; ++b) {
          std::copy_n(row.begin() + b * 19, 19, got.begin() + (b * 29 + t) * 19);
        }
      }
      // Every activation of three layers is rounded once on both ways, at other places.
      const double unit = dtype == DType::kBF16 ? 0x1p-8 : dtype == DType::kF16 ? 0x1p-11 : 0x1p-20;
      CHECK(relative_error(got, want) <= 8 * unit);
    }
  }
}

TEST_CASE("What is decoded on the GPU does not depend on the others of a batch, bit for bit",
          "[model]") {
  const nn::ModelConfig config = config_of({"strided(4)", "fixed(8, 2)"}, 29);
  const Placed placed(gpu_queue(), config, DType::kBF16);
  const auto decoded = [&](int64_t batch) {
    train::DecodeProgram program(gpu_queue(), placed.model, batch);
    std::vector<double> first;
    for (int64_t t = 0; t < 29; ++t) {
      for (int64_t b = 0; b < batch; ++b) {
        program.tokens()[b] = static_cast<int32_t>((t * 7 + b * 5) % 19);
      }
      program.run(t);
      const std::vector<double> row = elements<double>(widened(program.logits()));
      first.insert(first.end(), row.begin(), row.begin() + 19);
    }
    return first;
  };
  const std::vector<double> alone = decoded(1);
  for (const int64_t batch : {2, 8, 9, 33}) CHECK(same_bits(decoded(batch), alone));
}

TEST_CASE("Training on the GPU in f32 follows training on the CPU in f64", "[model]") {
  const Trained want = trained(small_options("cpu", "f64"), 12);
  const Trained got = trained(small_options("gpu", "f32"), 12);
  REQUIRE(got.bits.size() == 12);
  for (size_t i = 0; i < 12; ++i) {
    CAPTURE(i);
    CHECK(std::abs(got.bits[i] - want.bits[i]) < 1e-3);
  }
}

TEST_CASE("Training on the GPU in bf16 and f16 stays near training in f64", "[model]") {
  const Trained want = trained(small_options("cpu", "f64"), 12);
  for (const char* precision : {"bf16", "f16"}) {
    const Trained got = trained(small_options("gpu", precision), 12);
    for (size_t i = 0; i < 12; ++i) {
      CAPTURE(precision, i);
      CHECK(std::abs(got.bits[i] - want.bits[i]) < 0.05);
    }
  }
}

TEST_CASE("A replayed step has the bits of a launched one, and every run the bits of the last",
          "[model]") {
  for (const char* precision : {"bf16", "f16", "f32"}) {
    CAPTURE(precision);
    train::Options options = small_options("gpu", precision);
    const Trained replayed = trained(options, 20), again = trained(options, 20);
    options.train.launches = "stream";
    const Trained launched = trained(options, 20);
    CHECK(same_bits(replayed.weights, again.weights));
    CHECK(same_bits(replayed.averages, again.averages));
    CHECK(same_bits(replayed.bits, again.bits));
    CHECK(same_bits(replayed.weights, launched.weights));
    CHECK(same_bits(replayed.bits, launched.bits));
  }
}

TEST_CASE("Evaluations and samples between steps share their memory, and change no bit",
          "[model]") {
  for (const char* launches : {"graph", "stream"}) {
    train::Options options = small_options("gpu", "bf16");
    options.train.launches = launches;
    options.train.sample_length = 60;  // more than a context
    train::Trainer plain(options, text());
    options.train.sample_every = "1 steps";
    train::Trainer mixed(options, text());
    const auto drawn = [&](const auto& draw) {
      std::vector<int32_t> symbols;
      draw(train::SampleListener{[&](int64_t, int32_t symbol) { symbols.push_back(symbol); },
                                 never});
      return symbols;
    };
    for (int i = 0; i < 5; ++i) {
      CAPTURE(launches, i);
      const train::StepResult a = plain.step(), b = mixed.step();
      CHECK(a.bits == b.bits);
      CHECK(a.gradient_norm == b.gradient_norm);
      const nn::Transformer& average = mixed.model(train::Weights::kAverage);
      train::Program own = train::Program::evaluation(mixed.queue(), average, 3);
      const ValidationSet& set = text().valid().front();
      const double nats =
          train::evaluate(own, average, {.part = *set.part, .medium = text().medium()}, never).nats;
      CHECK(mixed.evaluate(set, train::Weights::kAverage, 0, never).nats == nats);
      const std::vector<int32_t> symbols =
          drawn([&](const train::SampleListener& to) { mixed.sampler().draw({}, to); });
      CHECK(symbols.size() == 60);
      CHECK(symbols == drawn([&](const train::SampleListener& to) {
              train::sample(mixed.queue(), average, {}, mixed.sampler().config(), to);
            }));
      CHECK(mixed.evaluate(set, train::Weights::kAverage, 0, never).nats == nats);
    }
    const auto values = [](const train::Trainer& trainer) {
      return elements<float>(
          trainer.queue().to_host(trainer.weights(train::Weights::kRaw).values()));
    };
    CHECK(same_bits(values(plain), values(mixed)));
  }
}

TEST_CASE("A replayed step has the bits of a launched one with other optimizers and moments, too",
          "[model]") {
  for (const char* optimizer : {"adamw", "lion"}) {
    for (const char* moments : {"f32", "bf16"}) {
      CAPTURE(optimizer, moments);
      train::Options options = small_options("gpu", "bf16");
      options.optim.name = optimizer;
      options.optim.moments = moments;
      const Trained replayed = trained(options, 20);
      options.train.launches = "stream";
      const Trained launched = trained(options, 20);
      CHECK(same_bits(replayed.weights, launched.weights));
      CHECK(same_bits(replayed.averages, launched.averages));
    }
  }
}

TEST_CASE("A step that is not finite changes nothing but the loss scale", "[model]") {
  train::Trainer trainer(small_options("gpu", "f16"), text());
  trainer.step();
  const View& values = trainer.weights(train::Weights::kRaw).values();
  const Tensor kept = trainer.queue().to_host(values);
  // One weight of the embedding, which ops read in f32, is infinite for one step.
  Tensor poisoned = trainer.queue().to_host(values);
  const View start = nn::ParameterStore::slice_of(
      poisoned, *std::find_if(trainer.weights(train::Weights::kRaw).slices().begin(),
                              trainer.weights(train::Weights::kRaw).slices().end(),
                              [](const auto& slice) { return slice.name == "embedding.start"; }));
  start.data<float>()[0] = std::numeric_limits<float>::infinity();
  trainer.queue().upload(values, poisoned.view().raw());
  const train::StepResult bad = trainer.step();
  CHECK(bad.skipped);
  CHECK(bad.loss_scale == 32768);
  CHECK(trainer.steps_skipped() == 1);
  CHECK(same_bits(elements<float>(trainer.queue().to_host(values)), elements<float>(poisoned)));
  trainer.queue().upload(values, kept.view().raw());
  const train::StepResult good = trainer.step();
  CHECK(!good.skipped);
  CHECK(good.loss_scale == 32768);
  CHECK(trainer.steps_skipped() == 1);
}

TEST_CASE("What the weights will need on the GPU is known before they have memory", "[model]") {
  for (const double average : {0.0, 0.9}) {
    train::Options options = small_options("gpu", "bf16");
    options.optim.average = average;
    const train::Trainer trainer(options, text());
    const MemoryUse use = train::weights_memory(options, trainer.model().config(), trainer.queue());
    for (const MemoryTag tag : {MemoryTag::kParameters, MemoryTag::kRounded, MemoryTag::kGradients,
                                MemoryTag::kOptimizer, MemoryTag::kAverages}) {
      const auto held = static_cast<double>(trainer.memory()[tag]);
      CHECK(static_cast<double>(use[tag]) == Approx(held).epsilon(0.1));  // it pads and has flags
    }
  }
}
