#include "check_cases.h"

#include <cmath>
#include <memory>

#include "lacuna/base/text.h"
#include "lacuna/kernels/adamw.h"
#include "lacuna/kernels/attention.h"
#include "lacuna/kernels/cross_entropy.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/kernels/embedding.h"
#include "lacuna/kernels/layernorm.h"
#include "lacuna/kernels/linear.h"
#include "lacuna/kernels/residual_norm.h"
#include "lacuna/sparse/pattern.h"

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
  const StepState* get() const { return static_cast<const StepState*>(memory.view().raw()); }
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

void check_cross_entropy(Side& side, int64_t rows, int64_t classes) {
  const Tensor logits = side.wide_input({rows, classes}, -10, 10);
  const Tensor targets = side.tokens({rows}, classes);
  const Tensor losses = side.output("losses", {rows}, DType::kF64);
  const Tensor dlogits = side.output("dlogits", {rows, classes}, side.storage());
  launch(side.queue(), CrossEntropy{logits, targets, losses, dlogits, 0.37});
}

void check_adamw(Side& side, int64_t count) {
  StepState state;
  state.learning_rate = 0.01;
  state.gradient_scale = 0.5;
  state.average_decay = 0.9;
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
  launch(side.queue(), AdamW{.weight = weight,
                             .gradient = gradient,
                             .mean = mean,
                             .variance = variance,
                             .average = average,
                             .decay = 0.01,
                             .state = on_device.get()});
}

void check_attention(Side& side, const std::string& pattern, int64_t heads, int64_t length,
                     int64_t qk, int64_t vw) {
  const sparse::PatternPtr parsed = sparse::parse_pattern(pattern);
  const auto passes = std::make_unique<HeadPasses>();
  for (int64_t head = 0; head < heads; ++head) {
    passes->push_back(parsed->passes(head, length, sparse::kEverything));
  }
  const DType dtype = side.storage();
  const Shape q_shape{2, length, heads, qk}, v_shape{2, length, heads, vw};
  const Shape statistics{2, heads, length};
  const double scale = 1 / std::sqrt(static_cast<double>(qk));
  const Tensor q = side.input(q_shape, -2, 2), k = side.input(q_shape, -2, 2);
  const Tensor v = side.input(v_shape), dy = side.input(v_shape);
  const Tensor y = side.output("y", v_shape, dtype);
  const Tensor lse = side.queue().zeros(statistics, side.wide_type());  // may be -inf: not compared
  const Tensor delta = side.queue().zeros(statistics, side.wide_type());
  launch(side.queue(), AttentionForward{q, k, v, y, lse, scale, passes.get()});
  const Tensor dq = side.output("dq", q_shape, dtype), dk = side.output("dk", q_shape, dtype);
  const Tensor dv = side.output("dv", v_shape, dtype);
  launch(side.queue(),
         AttentionBackward{q, k, v, y, lse, dy, dq, dk, dv, delta, scale, passes.get()});
  side.queue().wait();
}

const char* const kPatterns[] = {"dense()",
                                 "local(64)",
                                 "local(20, window=paper)",
                                 "column(32)",
                                 "column(7)",
                                 "block(64)",
                                 "summary(32, 8)",
                                 "strided(32)",
                                 "strided(17, window=paper)",
                                 "fixed(64, 16)",
                                 "fixed(32, 8, 4)",
                                 "fixed(12, 5)",
                                 "local(32) + summary(64, 8)",
                                 "local(32) | column(32)"};
struct HeadSize {
  int64_t qk, v;
};
constexpr HeadSize kHeadSizes[] = {{64, 64}, {16, 32}, {32, 32}, {128, 128}, {64, 128}, {20, 36}};

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
          [=](Side& side) { check_linear(side, rows, in, out, activation); });
    }
  }
  for (const auto& [rows, width] : {std::pair<int64_t, int64_t>{257, 512}, {65, 17}, {3, 1000}}) {
    add(str("layer norm [", rows, ", ", width, "]"), 4,
        [=](Side& side) { check_norm(side, rows, width); });
  }
  for (const double rate : {0.0, 0.25}) {
    for (const auto& [length, width] : {std::pair<int64_t, int64_t>{130, 512}, {33, 17}}) {
      add(str("residual + norm [2, ", length, ", ", width, "], dropout ", fixed(rate, 2)), 4,
          [=](Side& side) { check_seam(side, length, width, rate); });
    }
  }
  for (const auto& [length, width] : {std::pair<int64_t, int64_t>{257, 256}, {65, 17}}) {
    add(str("embedding [3, ", length, ", ", width, "]"), 4,
        [=](Side& side) { check_embedding(side, length, width); });
  }
  for (const auto& [rows, classes] : {std::pair<int64_t, int64_t>{300, 256}, {65, 19}}) {
    add(str("cross-entropy [", rows, ", ", classes, "]"), 4,
        [=](Side& side) { check_cross_entropy(side, rows, classes); });
  }
  for (const int64_t count : {100'003, 16}) {
    add(str("adamw, norm [", count, "]"), 4, [=](Side& side) { check_adamw(side, count); });
  }
  for (const char* pattern : kPatterns) {
    for (const int64_t length : {1, 65, 257}) {
      add(str("attention ", pattern, ", T=", length), 8,
          [=](Side& side) { check_attention(side, pattern, 4, length, 64, 64); });
    }
  }
  for (const HeadSize& size : kHeadSizes) {
    for (const char* pattern : {"fixed(64, 16)", "strided(32)"}) {
      add(str("attention ", pattern, ", T=193, D=", size.qk, "/", size.v), 8,
          [=](Side& side) { check_attention(side, pattern, 2, 193, size.qk, size.v); });
    }
  }
  return cases;
}

std::vector<SameCase> same_cases() {
  std::vector<SameCase> cases;
  for (const char* pattern : {"fixed(64, 64)", "fixed(16, 16)", "local(400)"}) {
    cases.push_back({str("dense() = ", pattern, ", T=321"), 8,
                     [](Side& side) { check_attention(side, "dense()", 2, 321, 64, 64); },
                     [=](Side& side) { check_attention(side, pattern, 2, 321, 64, 64); }});
  }
  return cases;
}

}  // namespace lacuna::cli
