// Flat memory, and the end of a step: norm, clipping, update. The rates are so high that each
// result moves by far more than it may be off.
#include "entry.h"
#include "lacuna/kernels/adamw.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/kernels/lion.h"

namespace lacuna::proof {

Entry convert(int64_t count, Holds from, Holds to) {
  return entry({count}, [=](Operands& o) {
    const bool narrows = to != Holds::kWide;
    return Convert{.x = o.input("x", {count}, {}, from),
                   .y = o.output(narrows ? "rounded" : "widened", {count},
                                 narrows ? kRoundedOnce : kExact, to)};
  });
}

Entry accumulate(int64_t count) {
  return entry({count}, [=](Operands& o) {
    return Accumulate{.x = o.wide_input("x", {count}), .y = o.updated("sum", {count}, kAdded)};
  });
}

Entry zero(int64_t count, Holds holds) {
  return entry({count},
               [=](Operands& o) { return Zero{.y = o.output("zero", {count}, kExact, holds)}; });
}

Entry squared_norm(int64_t count) {
  return entry({count}, [=](Operands& o) {
    return SquaredNorm{.x = o.wide_input("x", {count}),
                       .sum = o.output("squared norm", {1}, kSums64, Holds::kF64)};
  });
}

namespace {

using SharedState = std::shared_ptr<OnDevice<StepState>>;

SharedState state_of_update(const Operands& o, const UpdateSize& size) {
  StepState start{.updates = 3,
                  .skipped = size.skipped,
                  .learning_rate = 0.01,
                  .gradient_scale = 0.25,
                  .average_decay = 0.9};
  start.inputs.rounding_key = random_key(1, RandomUse::kRounding, 3);
  return std::make_shared<OnDevice<StepState>>(o.put(start));
}

FlatRange range_of_update(Operands& o, const UpdateSize& size, Range weights, Range gradients) {
  const Shape shape{size.count};
  const auto updated = [&](const std::string& name) {
    return o.updated(name, shape, kStatistics, Holds::kWide, weights);
  };
  return {.weight = updated("weight"),
          .gradient = o.wide_input("gradient", shape, gradients),
          .average = size.bare ? View() : updated("average"),
          // Bits of the weight, which may round to either side of the reference's.
          .rounded = size.bare ? View() : o.space("rounded", shape, Holds::kRounded)};
}

View marks_of_update(Operands& o, const UpdateSize& size) {
  const Shape groups{(size.count + kDecayGroup - 1) / kDecayGroup};
  return size.bare ? View() : o.input("decays", groups, {}, Holds::kMarks);
}

// A single number is positive, because sums that cancel need neighbours to be measured by.
Range numbers_of(const UpdateSize& size) {
  return {size.count == 1 ? 0.5 : -1, 1};
}

std::string name_of_update(const char* contract, const UpdateSize& size) {
  return str(contract, " [", size.count, "]", size.bare ? ", bare" : "",
             size.bf16_moments ? ", moments in bf16" : "");
}

}  // namespace

Entry adamw(const UpdateSize& size) {
  const auto make = [size](Operands& o) {
    const Range values = numbers_of(size);
    const auto moment = [&](const std::string& name, Range range) {
      if (!size.bf16_moments) {
        return o.updated(name, {size.count}, kStatistics, Holds::kWide, range);
      }
      return o.updated(name, {size.count}, kRoundedAtRandom, Holds::kBF16, range);
    };
    const SharedState state = state_of_update(o, size);
    const AdamW op{.range = range_of_update(o, size, values, values),
                   .mean = moment("mean", size.count == 1 ? values : size.mean),
                   .variance = moment("variance", size.variance),
                   .decays = marks_of_update(o, size),
                   .rate = o.output("rate", {1}, kSums64, Holds::kF64),
                   .beta1 = 0.9,
                   .beta2 = size.beta2,
                   .eps = size.eps,
                   .decay = 0.1,
                   .state = state->get()};
    return launching(o, op, state);
  };
  return {.name = name_of_update("AdamW", size), .make = make};
}

// The momentum and the number whose sign is taken are exact: one that f32 and f64 put on different
// sides of 0 would move its weight the other way.
Entry lion(const UpdateSize& size) {
  const auto make = [size](Operands& o) {
    const Range exact{-1, 1, 0x1p-6};
    const SharedState state = state_of_update(o, size);
    const Lion op{.range = range_of_update(o, size, numbers_of(size), exact),
                  .momentum = o.updated("momentum", {size.count}, kExact,
                                        size.bf16_moments ? Holds::kBF16 : Holds::kWide, exact),
                  .decays = marks_of_update(o, size),
                  .beta1 = 0.75,
                  .beta2 = 0.5,
                  .decay = 0.1,
                  .state = state->get()};
    return launching(o, op, state);
  };
  return {.name = name_of_update("Lion", size), .make = make};
}

Entry finish_gradients() {
  const auto make = [](Operands& o) {
    StepState start{.running_nats = 12.5, .loss_scale = 4};
    start.inputs.learning_rate[0] = 0.1;
    start.inputs.average_decay[0] = 0.9;
    const auto state = std::make_shared<OnDevice<StepState>>(o.put(start));
    const FinishGradients op{.squared_norm = o.input("squared norm", {1}, {1e3, 1e5}, Holds::kF64),
                             .state = state->get(),
                             .clip = 1,
                             .scaling = {.growth = 2, .patience = 1}};
    const auto compare = [&](const char* name, double (*number)(const StepState&)) {
      o.compare_number(name, kSums64, [=] { return number(state->read()); });
    };
    compare("nats", [](const StepState& s) { return s.nats; });
    compare("gradient norm", [](const StepState& s) { return s.gradient_norm; });
    compare("loss scale", [](const StepState& s) { return s.loss_scale; });
    compare("gradient scale", [](const StepState& s) { return s.gradient_scale; });
    compare("learning rate", [](const StepState& s) { return s.learning_rate; });
    compare("average decay", [](const StepState& s) { return s.average_decay; });
    compare("steps", [](const StepState& s) { return static_cast<double>(s.updates + s.skipped); });
    return launching(o, op, state);
  };
  return {.name = "FinishGradients", .make = make};
}

Entry note_progress(StepPart part, int32_t layer) {
  const auto make = [=](Operands& o) {
    const Tensor shared = o.queue().shared({int64_t{sizeof(StepProgress)}}, DType::kU8);
    auto* place = static_cast<StepProgress*>(shared.view().raw());
    const int32_t step =
        *o.queue().to_host(o.indices("step", {1}, 1'000'000)).view().data<int32_t>();
    StepState start;
    start.inputs.step = 1 + step;
    start.inputs.micro_batch = 1 + step % 100;
    start.inputs.progress = place;
    const auto state = std::make_shared<OnDevice<StepState>>(o.put(start));
    const auto compare = [&](const char* name, double (*number)(const StepProgress&)) {
      o.compare_number(name, kExact, [queue = o.queue(), shared, place, number] {
        queue.wait();
        return number(*place);
      });
    };
    compare("step", [](const StepProgress& p) { return static_cast<double>(p.step); });
    compare("part", [](const StepProgress& p) { return static_cast<double>(p.part); });
    compare("layer", [](const StepProgress& p) { return static_cast<double>(p.layer); });
    compare("micro-batch",
            [](const StepProgress& p) { return static_cast<double>(p.micro_batch); });
    const NoteProgress op{.part = part, .layer = layer, .state = state->get()};
    const auto kept = std::make_shared<std::pair<Tensor, OnDevice<StepState>>>(shared, *state);
    return launching(o, op, kept);
  };
  return {.name = str("NoteProgress, layer ", layer), .make = make};
}

}  // namespace lacuna::proof
