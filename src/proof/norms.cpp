// Layer normalisation, by itself and in the seam between residual blocks. The statistics that the
// gradients read are drawn, not computed: their formulas hold for any, and so no error of the
// forward pass comes in. eps is large enough to be missed when it is forgotten.
#include "entry.h"
#include "lacuna/kernels/layernorm.h"
#include "lacuna/kernels/residual_norm.h"

namespace lacuna::proof {
namespace {

constexpr double kEps = 1e-3;
constexpr Range kGains{0.5, 1.5}, kMeans{0.5, 1.5}, kRstds{0.5, 1.5}, kNotZero{0.5, 1};

StepState dropping_state() {
  StepState state;
  state.inputs.dropout_key = random_key(3, RandomUse::kDropout, 12);
  state.inputs.first_sample = (uint64_t{1} << 33) - 1;  // passes into another high word
  return state;
}

Dropout dropout_of(const SeamSize& size, const OnDevice<StepState>& state) {
  if (size.dropout == 0) return {};
  return {.rate = size.dropout, .site = 5, .state = state.get()};
}

Shape sizes_of(const SeamSize& size) {
  return {size.batch, size.length, size.width};
}

std::shared_ptr<const void> kept(const OnDevice<StepState>& state) {
  return std::make_shared<OnDevice<StepState>>(state);
}

std::string name_of_seam(std::string_view contract, const SeamSize& size) {
  return str(contract, " ", sizes_of(size).text(), ", dropout ", size.dropout,
             size.reads_sum ? "" : ", the sum unread", size.no_norm ? ", no norm" : "");
}

}  // namespace

Entry layernorm_forward(const NormSize& size) {
  return entry({size.rows, size.width}, [size](Operands& o) {
    return LayerNormForward{.x = o.input("x", {size.rows, size.width}, size.x),
                            .gain = o.wide_input("gain", {size.width}, kGains),
                            .bias = o.wide_input("bias", {size.width}),
                            .y = o.output("y", {size.rows, size.width}, kStored),
                            .mean = o.output("mean", {size.rows}, kStatistics, Holds::kWide),
                            .rstd = o.output("rstd", {size.rows}, kStatistics, Holds::kWide),
                            .eps = kEps};
  });
}

Entry layernorm_backward(const NormSize& size) {
  return entry({size.rows, size.width}, [size](Operands& o) {
    return LayerNormBackward{.x = o.input("x", {size.rows, size.width}, size.x),
                             .gain = o.wide_input("gain", {size.width}, kGains),
                             .mean = o.wide_input("mean", {size.rows}, kMeans),
                             .rstd = o.wide_input("rstd", {size.rows}, kRstds),
                             .dy = o.input("dy", {size.rows, size.width}),
                             .dx = o.output("dx", {size.rows, size.width}, kStored),
                             .dgain = o.updated("dgain", {size.width}, kSums),
                             .dbias = o.updated("dbias", {size.width}, kSums)};
  });
}

Entry residual_norm_forward(const SeamSize& size) {
  const auto make = [size](Operands& o) -> Launch {
    const Shape shape = sizes_of(size), rows{size.batch * size.length};
    const OnDevice<StepState> state = o.put(dropping_state());
    // No element of the branch is near 0, so that it shows when the wrong ones are dropped.
    const ResidualNormForward op{.residual = o.input("residual", shape, {-1, 3}),
                                 .branch = o.input("branch", shape, kNotZero),
                                 .gain = o.wide_input("gain", {size.width}, kGains),
                                 .bias = o.wide_input("bias", {size.width}),
                                 .sum = o.output("sum", shape, kStored),
                                 .y = o.output("y", shape, kStored),
                                 .mean = o.output("mean", rows, kStatistics, Holds::kWide),
                                 .rstd = o.output("rstd", rows, kStatistics, Holds::kWide),
                                 .eps = kEps,
                                 .dropout = dropout_of(size, state)};
    return [&o, op, state] {
      Queue queue = o.queue();
      launch(queue, op);
      // The norm is of the sum as it is stored.
      const Tensor stored = o.as_tested("sum");
      if (!stored.present()) return;
      const Shape flat{op.mean.count(), op.gain.count()};
      launch(queue, LayerNormForward{.x = stored.view().reshaped(flat),
                                     .gain = op.gain,
                                     .bias = op.bias,
                                     .y = op.y.reshaped(flat),
                                     .mean = op.mean,
                                     .rstd = op.rstd,
                                     .eps = op.eps});
    };
  };
  return {.name = name_of_seam("ResidualNormForward", size), .make = make};
}

Entry residual_norm_backward(const SeamSize& size) {
  const auto make = [size](Operands& o) {
    const Shape shape = sizes_of(size), rows{size.batch * size.length};
    const OnDevice<StepState> state = o.put(dropping_state());
    const ResidualNormBackward op{
        .sum = o.input("sum", shape, {-1, 3}),
        .gain = o.wide_input("gain", {size.width}, size.no_norm ? Range{0, 0} : kGains),
        .mean = o.wide_input("mean", rows, kMeans),
        .rstd = o.wide_input("rstd", rows, kRstds),
        .dy = o.input("dy", shape),
        .dsum = size.reads_sum ? o.input("dsum", shape, size.no_norm ? kNotZero : Range{}) : View(),
        .dresidual = o.output("dresidual", shape, kStored),
        .dbranch = o.output("dbranch", shape, kStored),
        .dgain = o.updated("dgain", {size.width}, kSums),
        .dbias = o.updated("dbias", {size.width}, kSums),
        .dropout = dropout_of(size, state)};
    return launching(o, op, kept(state));
  };
  return {.name = name_of_seam("ResidualNormBackward", size), .make = make};
}

}  // namespace lacuna::proof
