#include "op_timer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "lacuna/base/rng.h"
#include "lacuna/base/text.h"
#include "lacuna/kernels/layernorm.h"
#include "lacuna/kernels/linear.h"
#include "lacuna/kernels/residual_norm.h"
#include "lacuna/tensor/gpus.h"
#include "op_operands.h"

namespace lacuna::train {
namespace {

constexpr double kReplayed = 1e-3;  // seconds that one timed replay takes at least
constexpr double kMostLaunches = 256;
constexpr int kTimedRepeats = 5;
constexpr double kSlow = 0.3;  // seconds after which one run on a CPU is enough
// Small operands come in several sets, so that no cache holds what in a step it would not hold:
// bytes of all sets together.
constexpr size_t kRotatedOnGpu = 400'000'000, kRotatedOnCpu = 100'000'000;
constexpr size_t kMostSets = 32;

// Uniform in [-1, 1).
Tensor drawn_numbers(const Queue& queue) {
  const Tensor host = Tensor::zeros({kDrawnNumbers}, DType::kF32);
  for (int64_t i = 0; i < kDrawnNumbers; ++i) {
    const uint64_t bits = mix64(static_cast<uint64_t>(i)) >> 40;  // 24 of them
    host.view().data<float>()[i] = static_cast<float>(bits) * 0x1p-23f - 1;
  }
  const Tensor numbers = queue.zeros({kDrawnNumbers}, DType::kF32);
  queue.upload(numbers, host.view().raw());
  return numbers;
}

double middle_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

using Launches = std::vector<std::function<void()>>;

double seconds_on_cpu(const Launches& launches) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (size_t i = 0; i < kTimedRepeats; ++i) {
    const Clock::time_point start = Clock::now();
    launches[i % launches.size()]();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    if (times.back() > kSlow) return times.back();
  }
  return middle_of(std::move(times));
}

// As many launches as make the beginning and the end of a replay count for little.
double seconds_on_gpu(const Queue& queue, const Launches& launches) {
  const double once = 1e-3 * cuda::time_on_device(queue, 1, [&](int) { launches[0](); })[0];
  const auto enough = static_cast<size_t>(std::min(std::ceil(kReplayed / once), kMostLaunches));
  const size_t rotations = (std::max<size_t>(enough, 1) - 1) / launches.size() + 1;
  const auto all = [&] {
    for (size_t i = 0; i < rotations; ++i) {
      for (const auto& launch : launches) launch();
    }
  };
  std::unique_ptr<Graph> graph = queue.uses_graphs() ? queue.capture(all) : nullptr;
  const auto timed = [&](int) { graph != nullptr ? queue.replay(*graph) : all(); };
  cuda::time_on_device(queue, 1, timed);
  const double seconds = 1e-3 * middle_of(cuda::time_on_device(queue, kTimedRepeats, timed));
  return seconds / static_cast<double>(rotations * launches.size());
}

double seconds_of(const Queue& queue, const Launches& launches) {
  for (const auto& launch : launches) launch();  // makes what backends keep for later
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) return seconds_on_gpu(queue, launches);
  }
  return seconds_on_cpu(launches);
}

}  // namespace

OpTimer::OpTimer(const Queue& queue, DType dtype, SecondsCache* cache)
    : queue_(queue), dtype_(dtype), cache_(cache) {}

double OpTimer::of(const std::string& op, const std::function<Launch(Operands&)>& make) {
  const std::string name = str(name_of(dtype_), " ", op);
  if (cache_ != nullptr) {
    if (const auto known = cache_->find(name)) return *known;
  }
  if (!numbers_.present()) numbers_ = drawn_numbers(queue_);
  const size_t rotated = queue_.on_gpu() ? kRotatedOnGpu : kRotatedOnCpu;
  std::vector<std::unique_ptr<Operands>> sets;
  Launches launches;
  do {
    sets.push_back(std::make_unique<Operands>(queue_, dtype_, numbers_));
    launches.push_back(make(*sets.back()));
  } while (sets.size() < kMostSets && (sets.size() + 1) * sets.front()->bytes() <= rotated);
  const double seconds = seconds_of(queue_, launches);
  if (cache_ != nullptr) cache_->add(name, seconds);
  return seconds;
}

double OpTimer::layer_norm_forward(int64_t rows, int64_t width) {
  return of(str("layer norm forward ", rows, "x", width), [=](Operands& o) {
    return o.launching(LayerNormForward{.x = o.random({rows, width}),
                                        .gain = o.wide_random({width}),
                                        .bias = o.wide_random({width}),
                                        .y = o.zeros({rows, width}),
                                        .mean = o.wide_zeros({rows}),
                                        .rstd = o.wide_zeros({rows})});
  });
}

double OpTimer::layer_norm_backward(int64_t rows, int64_t width) {
  return of(str("layer norm backward ", rows, "x", width), [=](Operands& o) {
    return o.launching(LayerNormBackward{.x = o.random({rows, width}),
                                         .gain = o.wide_random({width}),
                                         .mean = o.wide_random({rows}),
                                         .rstd = o.wide_random({rows}),
                                         .dy = o.random({rows, width}),
                                         .dx = o.zeros({rows, width}),
                                         .dgain = o.wide_zeros({width}),
                                         .dbias = o.wide_zeros({width})});
  });
}

double OpTimer::seam_forward(const Shape& stream, double dropout) {
  const int64_t width = stream.back(), rows = stream.count() / width;
  return of(str("seam forward ", stream.text(), " ", dropout), [=](Operands& o) {
    return o.launching(
        ResidualNormForward{.residual = o.random(stream),
                            .branch = o.random(stream),
                            .gain = o.wide_random({width}),
                            .bias = o.wide_random({width}),
                            .sum = o.zeros(stream),
                            .y = o.zeros(stream),
                            .mean = o.wide_zeros({rows}),
                            .rstd = o.wide_zeros({rows}),
                            .dropout = {.rate = dropout, .site = 0, .state = o.state()}});
  });
}

double OpTimer::seam_backward(const Shape& stream, double dropout) {
  const int64_t width = stream.back(), rows = stream.count() / width;
  return of(str("seam backward ", stream.text(), " ", dropout), [=](Operands& o) {
    return o.launching(
        ResidualNormBackward{.sum = o.random(stream),
                             .gain = o.wide_random({width}),
                             .mean = o.wide_random({rows}),
                             .rstd = o.wide_random({rows}),
                             .dy = o.random(stream),
                             .dsum = o.random(stream),
                             .dresidual = o.zeros(stream),
                             .dbranch = o.zeros(stream),
                             .dgain = o.wide_zeros({width}),
                             .dbias = o.wide_zeros({width}),
                             .dropout = {.rate = dropout, .site = 0, .state = o.state()}});
  });
}

double OpTimer::activation_forward(int64_t rows, int64_t width) {
  return of(str("activation forward ", rows, "x", width), [=](Operands& o) {
    return o.launching(
        Activate{.preactivation = o.random({rows, width}), .y = o.zeros({rows, width})});
  });
}

double OpTimer::product_forward(const Product& size) {
  const Shape in{size.rows, size.in}, out{size.rows, size.out};
  const std::string form = size.wide_result ? " wide" : "";
  return of(str("product forward ", in.text(), out.text(), size.bias, form), [=](Operands& o) {
    return o.launching(LinearForward{.x = o.random(in),
                                     .weight = o.random({size.out, size.in}),
                                     .bias = size.bias ? o.random({size.out}) : View(),
                                     .y = size.wide_result ? o.wide_zeros(out) : o.zeros(out)});
  });
}

double OpTimer::product_backward(const Product& size) {
  const Shape in{size.rows, size.in}, out{size.rows, size.out};
  const std::string form = size.activated ? " activated" : "";
  return of(str("product backward ", in.text(), out.text(), size.bias, form), [=](Operands& o) {
    return o.launching(
        LinearBackward{.x = o.random(in),
                       .weight = o.random({size.out, size.in}),
                       .preactivation = size.activated ? o.random(out) : View(),
                       .dy = o.random(out),
                       .dx = o.zeros(in),
                       .dweight = o.wide_zeros({size.out, size.in}),
                       .dbias = size.bias ? o.wide_zeros({size.out}) : View(),
                       .activation = size.activated ? Activation::kQuickGelu : Activation::kNone});
  });
}

}  // namespace lacuna::train
