#include "lacuna/nn/transformer.h"

#include <cmath>
#include <cstring>

#include "catch.h"
#include "expect_error.h"
#include "lacuna/base/text.h"
#include "tiny_model.h"

using namespace lacuna;

namespace {

// The logits of the model, or its gradients when the tape trains on sum(losses).
struct Outcome {
  Tensor logits;
  double loss = 0;
  StepProgress forward_end;  // when the state has a place
};

// In the mode kRecord the model trains; in the other one only where `trains` says so.
Outcome forward(TinyModel& tiny, Tape::Mode mode, int threads = 2, bool trains = false) {
  const auto once = [&](Queue& queue, Arena& arena) {
    Tape tape(queue, arena, mode);
    const Variable logits =
        tiny.model->logits(tape, tiny.tokens, tape.records() || trains ? &tiny.state : nullptr);
    Tensor copy;
    if (!queue.is_dry()) {
      copy = Tensor::zeros(logits.shape(), logits.value.dtype());
      std::memcpy(copy.view().raw(), logits.value.view().raw(), copy.view().bytes());
    }
    const Tensor losses = ops::cross_entropy(tape, logits, tiny.tokens, 1);
    Outcome outcome{copy};
    if (!queue.is_dry()) {
      for (int64_t i = 0; i < losses.view().count(); ++i) {
        outcome.loss += losses.view().data<double>()[i];
      }
    }
    if (tiny.state.inputs.progress != nullptr) outcome.forward_end = *tiny.state.inputs.progress;
    if (tape.records()) tape.backward();
    return outcome;
  };
  Queue dry = Queue::dry();
  Arena recorder;
  once(dry, recorder);
  Arena arena(recorder.plan());
  Queue queue = Queue::cpu(threads);
  return once(queue, arena);
}

nn::ModelConfig small(const std::vector<std::string>& attention) {
  return {.layers = 2,
          .heads = 2,
          .width = 8,
          .qk_width = 4,
          .feedforward_width = 12,
          .context = 13,
          .vocabulary = 11,
          .attention = attention};
}

int64_t count_of(const nn::ModelConfig& config) {
  return nn::parameter_count(nn::parameter_specs(config.resolved()));
}

}  // namespace

TEST_CASE("the paper's three models have exactly the published numbers of parameters") {
  CHECK(count_of({.layers = 128,
                  .heads = 2,
                  .width = 256,
                  .qk_width = 128,
                  .feedforward_width = 512,
                  .context = 3072,
                  .position_tables = {32, 32, 3},
                  .attention = {"column(96)", "local(96)", "local(96)", "local(96)"}}) ==
        59'196'928);
  CHECK(count_of({.layers = 30,
                  .heads = 8,
                  .width = 512,
                  .context = 12288,
                  .attention = {"fixed(128, 32, 4)"}}) == 94'949'888);
  CHECK(count_of({.layers = 48,
                  .heads = 16,
                  .width = 512,
                  .context = 12288,
                  .position_tables = {64, 64, 3},
                  .attention = {"local(128)", "column(128)", "local(128)", "local(128)"}}) ==
        151'645'184);
}

TEST_CASE("initial values have the standard deviations of the paper and of the released code") {
  nn::ModelConfig config{
      .layers = 8, .heads = 4, .width = 256, .context = 1024, .attention = {"fixed(32, 8)"}};
  const auto spread = [&](const std::string& name) {
    const auto specs = nn::parameter_specs(config.resolved());
    nn::ParameterStore store(specs, DType::kF64, false);
    store.initialise(specs, 3);
    const View values = store.at(name).value;
    double squares = 0;
    for (int64_t i = 0; i < values.count(); ++i) {
      squares += values.data<double>()[i] * values.data<double>()[i];
    }
    return std::sqrt(squares / static_cast<double>(values.count()));
  };
  const double tolerance = 0.03;  // sampling error of 65,536 values and fewer
  CHECK(spread("blocks.3.attention.qkv.weight") ==
        Approx(std::sqrt(0.125 / 256)).epsilon(tolerance));
  CHECK(spread("blocks.3.attention.project.weight") ==
        Approx(std::sqrt(0.125 / 256) / 4).epsilon(tolerance));
  CHECK(spread("blocks.3.feedforward.down.weight") ==
        Approx(std::sqrt(0.125 / 1024) / 4).epsilon(tolerance));
  CHECK(spread("embedding.token") == Approx(0.01).epsilon(tolerance));
  CHECK(spread("embedding.position.1") == Approx(0.01 / std::sqrt(2.0)).epsilon(tolerance));
  CHECK(spread("head.weight") == 0);
  CHECK(spread("norm.gain") == 1);
  CHECK(spread("blocks.0.attention.qkv.bias") == 0);

  config.init = nn::InitScheme::kPaperText;
  CHECK(spread("blocks.3.feedforward.up.weight") == Approx(0.125 / 16).epsilon(tolerance));
  CHECK(spread("embedding.token") == Approx(0.125 / 16).epsilon(tolerance));
  CHECK(spread("embedding.position.0") == Approx(0.125 / std::sqrt(512.0)).epsilon(tolerance));

  config.embedding_std = 0.2;
  CHECK(spread("embedding.token") == Approx(0.2).epsilon(tolerance));
}

TEST_CASE("gradients of the whole model agree with central differences") {
  for (const auto& attention : all_combinations()) {
    INFO(join(attention, ", "));
    nn::ModelConfig config = small(attention);
    config.dropout = 0.2;
    TinyModel tiny(config, 2, DType::kF64, 5);
    forward(tiny, Tape::Mode::kRecord);
    const View values = tiny.parameters->values();
    std::vector<double> analytic;
    const double* gradients = tiny.parameters->gradients().data<double>();
    analytic.assign(gradients, gradients + values.count());

    // Per tensor: the error of three elements, relative to the tensor's largest gradient.
    for (const nn::ParameterSlice& slice : tiny.parameters->slices()) {
      double largest = 1e-3;
      for (int64_t i = 0; i < slice.count; ++i) {
        largest = std::max(largest, std::abs(analytic[size_t(slice.offset + i)]));
      }
      for (const int64_t element : {int64_t{0}, slice.count / 2, slice.count - 1}) {
        double& value = values.data<double>()[slice.offset + element];
        const double kept = value, h = 1e-5;
        value = kept + h;
        const double above = forward(tiny, Tape::Mode::kRecord).loss;
        value = kept - h;
        const double below = forward(tiny, Tape::Mode::kRecord).loss;
        value = kept;
        INFO(slice.name << " element " << element);
        const double numeric = (above - below) / (2 * h);
        CHECK(std::abs(numeric - analytic[size_t(slice.offset + element)]) <= 1e-6 * largest);
      }
    }
  }
}

TEST_CASE("a later token changes no earlier logit, bit for bit, for every combination") {
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    for (const auto& attention : all_combinations()) {
      TinyModel tiny(small(attention), 1, dtype, 7);
      const Tensor before = forward(tiny, Tape::Mode::kForward).logits;
      const size_t row = size_of(dtype) * 11;
      for (int64_t changed = 0; changed < 13; ++changed) {
        const int32_t kept = tiny.token(changed);
        tiny.token(changed) = (kept + 5) % 11;
        const Tensor after = forward(tiny, Tape::Mode::kForward).logits;
        tiny.token(changed) = kept;
        INFO(join(attention, ", ") << ", token " << changed);
        // Row t predicts token t, so rows 0 .. changed must not move.
        CHECK(std::memcmp(before.view().raw(), after.view().raw(),
                          row * static_cast<size_t>(changed + 1)) == 0);
        if (changed + 1 < 13) {  // and the next row does: the test can fail
          const auto* a = static_cast<const std::byte*>(before.view().raw());
          const auto* b = static_cast<const std::byte*>(after.view().raw());
          const size_t at = row * static_cast<size_t>(changed + 1);
          CHECK(std::memcmp(a + at, b + at, row) != 0);
        }
      }
    }
  }
}

TEST_CASE("the same model, tokens and threads give the same bits twice") {
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    nn::ModelConfig config{.layers = 2,
                           .heads = 2,
                           .width = 64,
                           .context = 300,
                           .vocabulary = 50,
                           .attention = {"strided(16)", "fixed(16, 4, 2)"},
                           .dropout = 0.1};
    TinyModel first(config, 3, dtype, 9), second(config, 3, dtype, 9);
    forward(first, Tape::Mode::kRecord);
    forward(second, Tape::Mode::kRecord);
    CHECK(std::memcmp(first.parameters->gradients().raw(), second.parameters->gradients().raw(),
                      first.parameters->gradients().bytes()) == 0);
  }
}

TEST_CASE("dropout acts in training only") {
  nn::ModelConfig config = small({"local(4)"});
  config.dropout = 0.5;
  TinyModel dropped(config, 1, DType::kF64, 3), whole(small({"local(4)"}), 1, DType::kF64, 3);
  CHECK(forward(dropped, Tape::Mode::kForward).loss == forward(whole, Tape::Mode::kForward).loss);
  const double trained = forward(dropped, Tape::Mode::kRecord).loss;
  CHECK(trained != forward(whole, Tape::Mode::kRecord).loss);
  CHECK(trained == forward(dropped, Tape::Mode::kForward, 2, true).loss);  // whatever is recorded
}

TEST_CASE("each layer notes its place when it trains, forward from the first and backward to it") {
  TinyModel tiny(small({"local(4)"}), 1, DType::kF32, 5);
  StepProgress place;
  tiny.state.inputs.step = 7;
  tiny.state.inputs.progress = &place;
  forward(tiny, Tape::Mode::kForward);
  CHECK(place.part == StepPart::kNone);

  const Outcome outcome = forward(tiny, Tape::Mode::kRecord);
  CHECK(outcome.forward_end.part == StepPart::kForward);
  CHECK(outcome.forward_end.layer == 2);
  CHECK(place.step == 7);
  CHECK(place.part == StepPart::kBackward);
  CHECK(place.layer == 1);
}

TEST_CASE("attended pairs and useful work are counted as by hand") {
  nn::ModelConfig config{.layers = 3,
                         .heads = 2,
                         .width = 16,
                         .qk_width = 8,
                         .feedforward_width = 20,
                         .context = 10,
                         .vocabulary = 7,
                         .attention = {"dense()", "local(2)"}};
  TinyModel tiny(config, 1, DType::kF64, 1);
  // Dense: 55 pairs a head, layers 0 and 2; window of 2: 19 pairs, layer 1.
  CHECK(tiny.model->attended_pairs() == 2 * (55 + 19 + 55));
  // qkv 16*32, project 16*16, feed-forward 2*16*20 a layer, head 16*7; a pair costs D_qk + D_v
  // = 12.
  const double products = 10 * (3 * (512 + 256 + 640) + 112) + 12 * 258;
  CHECK(tiny.model->training_flops() == 6 * products);
}

TEST_CASE("a configuration that does not fit together is refused by the name of the option") {
  const auto refused = [](const std::string& option, auto change) {
    nn::ModelConfig config = small({"local(4)"});
    change(config);
    expect_error(ErrorKind::kConfig, option, [&] { (void)config.resolved(); });
  };
  refused("model.width", [](auto& c) { c.width = 9; });
  refused("model.qk_width", [](auto& c) { c.qk_width = 5; });
  refused("model.attention", [](auto& c) { c.attention.clear(); });
  refused("model.position_tables", [](auto& c) { c.position_tables = {3, 4}; });
  refused("model.position_tables", [](auto& c) { c.position_tables = {2, 2, 2, 2}; });
  refused("model.position_tables", [](auto& c) { c.position_tables = {0, 100}; });
}

TEST_CASE("position tables follow the stride unless they are given") {
  CHECK(small({"dense()", "strided(4)"}).resolved().position_tables == std::vector<int64_t>{4, 4});
  CHECK(small({"dense()"}).resolved().position_tables == std::vector<int64_t>{13});
  CHECK(small({"strided(13)"}).resolved().position_tables == std::vector<int64_t>{1, 13});
  CHECK(small({"local(100000)"}).resolved().position_tables == std::vector<int64_t>{1, 13});
}
