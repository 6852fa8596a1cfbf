// The loss and its gradient, and the sum of losses.
#include "entry.h"
#include "lacuna/kernels/cross_entropy.h"

namespace lacuna::proof {

Entry cross_entropy(const LossSize& size) {
  const auto make = [size](Operands& o) {
    constexpr double kScale = 8, kGradients = 0.3 * kScale;  // of the gradients: the probability 1
    // Probabilities are differences that may cancel, so they are held against 1.
    const Tolerance tolerance = kStored.at_least(kGradients);
    const Shape shape{size.rows, size.classes};
    const Range values{-10, 10};
    const auto state =
        std::make_shared<OnDevice<StepState>>(o.put(StepState{.loss_scale = kScale}));
    const View logits = size.in_place ? o.updated("dlogits", shape, tolerance, Holds::kWide, values)
                                      : o.wide_input("logits", shape, values);
    const CrossEntropy op{.logits = logits,
                          .targets = o.indices("targets", {size.rows}, size.classes),
                          .losses = o.output("losses", {size.rows}, kLosses, Holds::kF64),
                          .dlogits = size.in_place   ? logits
                                     : size.gradient ? o.output("dlogits", shape, tolerance)
                                                     : View(),
                          .gradient_scale = size.state ? kGradients / kScale : kGradients,
                          .state = size.state ? state->get() : nullptr};
    return launching(o, op, state);
  };
  return {.name = str("CrossEntropy ", Shape{size.rows, size.classes}.text(),
                      size.in_place ? ", in place" : "", size.gradient ? "" : ", no gradient",
                      size.state ? "" : ", no state"),
          .make = make};
}

Entry add_losses(int64_t rows) {
  const auto make = [rows](Operands& o) {
    const auto state = std::make_shared<OnDevice<StepState>>(o.put(StepState{.running_nats = 0.5}));
    const AddLosses op{.losses = o.input("losses", {rows}, {0, 8}, Holds::kF64),
                       .state = state->get()};
    o.compare_number("nats", kSums64, [state] { return state->read().running_nats; });
    return launching(o, op, state);
  };
  return {.name = str("AddLosses [", rows, "]"), .make = make};
}

}  // namespace lacuna::proof
