#include "check_cases.h"

#include <cstring>

#include "lacuna/base/text.h"
#include "lacuna/kernels/adamw.h"
#include "lacuna/kernels/cross_entropy.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/kernels/embedding.h"
#include "lacuna/kernels/embedding_decode.h"
#include "lacuna/kernels/layernorm.h"
#include "lacuna/kernels/linear.h"
#include "lacuna/kernels/residual_norm.h"

namespace lacuna::cli {
namespace {

void check_linear(Side& side, int64_t rows, int64_t in, int64_t out, Activation activation) {
  const DType dtype = side.storage();
  const bool active = activation != Activation::kNone;
  const Tensor x = side.input({rows, in}), weight = side.input({out, in});
  const Tensor bias = side.input({out});
  const Tensor z = active ? side.output("z", {rows, out}, dtype) : Tensor();
  const Tensor y = side.output("y", {rows, out}, dtype);
  launch(side.queue(), LinearForward{x, weight, bias, z, y, activation});
  const Tensor alone = side.output("rows alone", {rows, out}, dtype);
  launch(side.queue(), LinearForward{.x = x,
                                     .weight = weight,
                                     .bias = bias,
                                     .y = alone,
                                     .activation = activation,
                                     .rows_alone = true});
  const Tensor given_z = active ? side.input({rows, out}, -3, 3) : Tensor();
  const Tensor dy = side.input({rows, out});
  const Tensor dx = side.output("dx", {rows, in}, dtype);
  const Tensor dweight = side.wide_input({out, in}), dbias = side.wide_input({out});
  side.keep("dweight", dweight);
  side.keep("dbias", dbias);
  launch(side.queue(), LinearBackward{x, weight, given_z, dy, dx, dweight, dbias, activation});
}

struct Norm {
  Tensor gain, bias, mean, rstd, dgain, dbias;

  Norm(Side& side, int64_t rows, int64_t width)
      : gain(side.wide_input({width}, 0.5, 1.5)),
        bias(side.wide_input({width})),
        mean(side.output("mean", {rows}, side.wide_type())),
        rstd(side.output("rstd", {rows}, side.wide_type())),
        dgain(side.wide_input({width})),
        dbias(side.wide_input({width})) {
    side.keep("dgain", dgain);
    side.keep("dbias", dbias);
  }
};

void check_norm(Side& side, int64_t rows, int64_t width) {
  const Shape shape{rows, width};
  const Tensor x = side.input(shape, -1, 3), dy = side.input(shape);
  const Norm norm(side, rows, width);
  const Tensor y = side.output("y", shape, side.storage());
  const Tensor dx = side.output("dx", shape, side.storage());
  launch(side.queue(), LayerNormForward{x, norm.gain, norm.bias, y, norm.mean, norm.rstd, 1e-5});
  launch(side.queue(),
         LayerNormBackward{x, norm.gain, norm.mean, norm.rstd, dy, dx, norm.dgain, norm.dbias});
}

// The state of a step on the side's device.
struct StateOnDevice {
  Tensor memory;

  StateOnDevice(Side& side, const StepState& state)
      : memory(side.queue().zeros({sizeof(StepState)}, DType::kU8)) {
    side.queue().upload(memory, &state);
  }
  StepState* get() const { return static_cast<StepState*>(memory.view().raw()); }
  StepState read(const Side& side) const {
    StepState state;
    const Tensor host = side.queue().to_host(memory);
    std::memcpy(&state, host.view().raw(), sizeof state);
    return state;
  }
};

void check_seam(Side& side, int64_t length, int64_t width, double rate) {
  const Shape shape{2, length, width};
  StepState state;
  state.inputs.dropout_key = random_key(3, RandomUse::kDropout, 5);
  state.inputs.first_sample = 11;
  const StateOnDevice on_device(side, state);
  const Dropout dropout{rate, 7, on_device.get()};
  const Tensor residual = side.input(shape, -1, 3), branch = side.input(shape);
  const Norm norm(side, 2 * length, width);
  const Tensor sum = side.output("sum", shape, side.storage());
  const Tensor y = side.output("y", shape, side.storage());
  launch(side.queue(), ResidualNormForward{residual, branch, norm.gain, norm.bias, sum, y,
                                           norm.mean, norm.rstd, 1e-5, dropout});
  const Tensor given = side.input(shape, -1, 3), dy = side.input(shape), dsum = side.input(shape);
  const Tensor dresidual = side.output("dresidual", shape, side.storage());
  const Tensor dbranch = side.output("dbranch", shape, side.storage());
  launch(side.queue(), ResidualNormBackward{sum, norm.gain, norm.mean, norm.rstd, dy, dsum,
                                            dresidual, dbranch, norm.dgain, norm.dbias, dropout});
}

void check_embedding(Side& side, int64_t length, int64_t width) {
  const int64_t rows = (length + 6) / 7;
  const Tensor tokens = side.tokens({3, length}, 50);
  const Tensor token = side.wide_input({50, width}), start = side.wide_input({width});
  const Tensor row = side.wide_input({rows, width}), column = side.wide_input({7, width});
  const Tensor y = side.output("y", {3, length, width}, side.storage());
  launch(side.queue(), EmbeddingForward{tokens, token, start, y, {row, column}});
  const Tensor dy = side.input({3, length, width});
  for (const auto& [name, table] : {std::pair{"dtoken", token}, std::pair{"dstart", start},
                                    std::pair{"drow", row}, std::pair{"dcolumn", column}}) {
    side.keep(name, table);  // the gradients are added to the tables themselves
  }
  launch(side.queue(), EmbeddingBackward{tokens, dy, token, start, {row, column}});
}

void check_embedding_decode(Side& side, int64_t batch, int64_t width) {
  const Tensor token = side.wide_input({50, width}), start = side.wide_input({width});
  const Tensor row = side.wide_input({5, width}), column = side.wide_input({7, width});
  const Tensor memory = side.queue().zeros({sizeof(DecodeState)}, DType::kU8);
  for (const int64_t position : {0, 1, 6, 7, 34, 36}) {  // where the tables wrap, too
    const DecodeState state{position};
    side.queue().upload(memory, &state);
    const Tensor tokens = side.tokens({batch, 1}, 50);
    const Tensor y = side.output(str("y ", position), {batch, 1, width}, side.storage());
    launch(side.queue(), EmbeddingDecode{tokens,
                                         token,
                                         start,
                                         y,
                                         {row, column},
                                         static_cast<const DecodeState*>(memory.view().raw())});
  }
}

void check_cross_entropy(Side& side, int64_t rows, int64_t classes) {
  const Tensor logits = side.wide_input({rows, classes}, -10, 10);
  const Tensor targets = side.tokens({rows}, classes);
  const Tensor losses = side.output("losses", {rows}, DType::kF64);
  const Tensor dlogits = side.output("dlogits", {rows, classes}, side.storage());
  launch(side.queue(), CrossEntropy{logits, targets, losses, dlogits, 0.37});
  const StateOnDevice on_device(side, {.running_nats = 0.5});
  launch(side.queue(), AddLosses{losses, on_device.get()});
  side.keep_numbers("nats", {on_device.read(side).running_nats});
}

// The end of a step: norm, clipping, update; rates so high that each result moves by far more than
// any type's rounding.
void check_update(Side& side, int64_t count) {
  StepState state;
  state.inputs.learning_rate[0] = 0.1;
  state.inputs.average_decay[0] = 0.9;
  state.running_nats = 12.5;
  state.loss_scale = 4;
  const StateOnDevice on_device(side, state);
  const Tensor weight = side.wide_input({count}), gradient = side.wide_input({count});
  const Tensor mean = side.wide_input({count}), variance = side.wide_input({count}, 0, 1);
  const Tensor average = side.wide_input({count});
  for (const auto& [name, values] :
       {std::pair{"weight", weight}, std::pair{"mean", mean}, std::pair{"variance", variance},
        std::pair{"average", average}}) {
    side.keep(name, values);
  }
  const Tensor sum = side.output("squared norm", {1}, DType::kF64);
  launch(side.queue(), SquaredNorm{.x = gradient, .sum = sum});
  const LossScaling scaling{.growth = 2, .patience = 1};
  launch(side.queue(), FinishGradients{sum, on_device.get(), 1, scaling});
  launch(side.queue(), AdamW{.weight = weight,
                             .gradient = gradient,
                             .mean = mean,
                             .variance = variance,
                             .average = average,
                             .beta2 = 0.5,
                             .decay = 0.01,
                             .state = on_device.get()});
  const StepState after = on_device.read(side);
  side.keep_numbers("state", {after.nats, after.gradient_norm, after.loss_scale,
                              after.gradient_scale, after.learning_rate, after.average_decay,
                              static_cast<double>(after.updates + after.skipped)});
}

// How far a step has come, in memory that the host reads.
void check_progress(Side& side) {
  const Tensor step = side.queue().to_host(side.tokens({1}, 1'000'000));
  const Tensor shared = side.queue().shared({sizeof(StepProgress)}, DType::kU8);
  auto* place = static_cast<StepProgress*>(shared.view().raw());
  StepState state;
  state.inputs.step = 1 + step.view().data<int32_t>()[0];
  state.inputs.micro_batch = 1 + step.view().data<int32_t>()[0] % 100;
  state.inputs.progress = place;
  const StateOnDevice on_device(side, state);
  for (const auto& [part, layer] :
       {std::pair{StepPart::kForward, 3}, std::pair{StepPart::kBackward, 2}}) {
    launch(side.queue(), NoteProgress{part, layer, on_device.get()});
    side.queue().wait();
    side.keep_numbers(str("place in layer ", layer),
                      {static_cast<double>(place->step), static_cast<double>(place->part),
                       static_cast<double>(place->layer), static_cast<double>(place->micro_batch)});
  }
}

void check_flat(Side& side, int64_t count) {
  const Tensor narrow = side.input({count}), wide = side.wide_input({count});
  const Tensor sum = side.wide_input({count});
  side.keep("sum", sum);
  launch(side.queue(), Convert{narrow, side.output("widened", {count}, side.wide_type())});
  launch(side.queue(), Convert{wide, side.output("rounded", {count}, side.storage())});
  launch(side.queue(), Accumulate{wide, sum});
  launch(side.queue(), Zero{side.output("zero", {count}, side.storage())});
}

}  // namespace

std::vector<CheckCase> check_cases() {
  std::vector<CheckCase> cases;
  const auto add = [&](const std::string& name, double units, std::function<void(Side&)> run) {
    cases.push_back({name, units, std::move(run)});
  };
  for (const auto& [rows, in, out] :
       {std::array<int64_t, 3>{256, 64, 192}, std::array<int64_t, 3>{257, 96, 256},
        std::array<int64_t, 3>{33, 17, 5}}) {
    for (const auto& [word, activation] :
         {std::pair{"", Activation::kNone}, std::pair{" + quick_gelu", Activation::kQuickGelu}}) {
      add(str("linear", word, " [", rows, ", ", in, "] -> ", out), 4,
          [rows = rows, in = in, out = out, activation = activation](Side& side) {
            check_linear(side, rows, in, out, activation);
          });
    }
  }
  for (const auto& [rows, width] : {std::pair<int64_t, int64_t>{257, 512}, {65, 17}, {3, 1000}}) {
    add(str("layer norm [", rows, ", ", width, "]"), 4,
        [rows = rows, width = width](Side& side) { check_norm(side, rows, width); });
  }
  for (const double rate : {0.0, 0.25}) {
    for (const auto& [length, width] : {std::pair<int64_t, int64_t>{130, 512}, {33, 17}}) {
      add(str("residual + norm [2, ", length, ", ", width, "], dropout ", fixed(rate, 2)), 4,
          [length = length, width = width, rate = rate](Side& side) {
            check_seam(side, length, width, rate);
          });
    }
  }
  for (const auto& [length, width] : {std::pair<int64_t, int64_t>{257, 256}, {65, 17}}) {
    add(str("embedding [3, ", length, ", ", width, "]"), 4,
        [length = length, width = width](Side& side) { check_embedding(side, length, width); });
  }
  for (const auto& [batch, width] : {std::pair<int64_t, int64_t>{2, 256}, {5, 17}}) {
    add(str("decoding the embedding [", batch, ", 1, ", width, "]"), 4,
        [batch = batch, width = width](Side& side) { check_embedding_decode(side, batch, width); });
  }
  for (const auto& [rows, classes] : {std::pair<int64_t, int64_t>{300, 256}, {65, 19}}) {
    add(str("cross-entropy [", rows, ", ", classes, "]"), 4,
        [rows = rows, classes = classes](Side& side) { check_cross_entropy(side, rows, classes); });
  }
  for (const int64_t count : {100'003, 16}) {
    add(str("norm, clipping, adamw [", count, "]"), 4,
        [=](Side& side) { check_update(side, count); });
  }
  for (const int64_t count : {100'003, 16}) {
    add(str("copies, sums [", count, "]"), 4, [=](Side& side) { check_flat(side, count); });
  }
  add("place of a step", 4, check_progress);
  for (const CheckCase& of_attention : attention_cases()) cases.push_back(of_attention);
  return cases;
}

}  // namespace lacuna::cli
