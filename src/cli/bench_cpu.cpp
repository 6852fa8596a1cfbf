// `lacuna bench cpu`: matrix products, a training step and attention on the CPU.
#include <cmath>
#include <cstdio>

#include "bench.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/proof/catalogue.h"
#include "lacuna/proof/timed.h"
#include "lacuna/sparse/pattern.h"
#include "lacuna/train/trainer.h"
#include "random_symbols.h"
#include "timing.h"

namespace lacuna::cli {
namespace {

// FLOP/s of a large f32 matrix product: what the training step is held against.
double measure_matrix_rate(Queue& queue, int64_t repeats, const Stop& stop) {
  constexpr int64_t kSize = 4096;
  proof::Noise noise(queue);
  proof::TimedOperands operands(noise, DType::kF32);
  const proof::Entry product =
      proof::linear_forward({.rows = kSize, .in = kSize, .out = kSize, .bias = false});
  const double seconds = median_seconds(repeats, stop, product.make(operands));
  return 2 * std::pow(static_cast<double>(kSize), 3) / seconds;
}

void bench_cpu_step(Queue& queue, int64_t repeats, const Stop& stop, double matrix_rate) {
  train::Options options;
  options.model.layers = 4;
  options.model.heads = 4;
  options.model.width = 256;
  options.model.context = 4096;
  options.model.attention = {"fixed(128, 32)"};
  options.optim.average = 0;
  options.train.batch = 1;
  options.train.threads = queue.threads();
  options.train.device = "cpu";
  const RandomSymbols data(text_medium());
  train::Trainer trainer(options, data);
  const double seconds = median_seconds(repeats, stop, [&] { trainer.step(); });
  const double flops = trainer.model().training_flops();
  std::printf("training step, 4 layers, 4 heads, C=256, T=4096, fixed(128, 32), f32, batch 1\n");
  std::printf("  %.0f tokens/s (%.1f ms a step)\n", 4096 / seconds, 1e3 * seconds);
  std::printf("  %.1f GFLOP/s of useful work (%.2f MFLOP a token), %.0f %% of the matrix rate\n",
              flops / seconds * 1e-9, flops / 4096 * 1e-6, 100 * flops / seconds / matrix_rate);
}

struct AttentionTimes {
  double keys, forward, backward;  // mean keys a query, seconds
};

AttentionTimes time_attention(Queue& queue, const std::string& pattern, int64_t length,
                              int64_t repeats, const Stop& stop) {
  constexpr int64_t kHeads = 2, kWidth = 64;
  proof::Noise noise(queue);
  proof::TimedOperands operands(noise, DType::kF32);
  const proof::AttentionLaunches attention =
      proof::attention_launches(operands, {.pattern = pattern,
                                           .batch = 1,
                                           .heads = kHeads,
                                           .length = length,
                                           .qk = kWidth,
                                           .v = kWidth,
                                           .fused = false});
  const int64_t pairs = sparse::attended_pairs(*sparse::parse_pattern(pattern), 0, length);
  return {.keys = static_cast<double>(pairs) / static_cast<double>(length),
          .forward = median_seconds(repeats, stop, attention.forward),
          .backward = median_seconds(repeats, stop, attention.backward)};
}

void bench_cpu_attention(Queue& queue, int64_t repeats, const Stop& stop) {
  std::printf("attention, 2 heads of 64, f32, l = sqrt(T) rounded to a power of two\n");
  std::printf("  %-16s %6s %6s %9s %11s %12s %20s\n", "pattern", "T", "l", "keys", "forward ms",
              "backward ms", "ns / (T * sqrt(T))");
  for (const char* name : {"strided", "fixed"}) {
    for (int64_t length = 1024; length <= 65536; length *= 2) {
      const auto side = std::sqrt(static_cast<double>(length));
      const int64_t stride = int64_t{1} << std::lround(std::log2(side));
      const std::string pattern = name == std::string("fixed") ? str("fixed(", stride, ", 8)")
                                                               : str("strided(", stride, ")");
      const AttentionTimes times = time_attention(queue, pattern, length, repeats, stop);
      std::printf("  %-16s %6lld %6lld %9.1f %11.2f %12.2f %20.2f\n", pattern.c_str(),
                  static_cast<long long>(length), static_cast<long long>(stride), times.keys,
                  1e3 * times.forward, 1e3 * times.backward,
                  1e9 * (times.forward + times.backward) / (static_cast<double>(length) * side));
    }
  }
}

}  // namespace

void bench_cpu(const Parsed& parsed, const Stop& stop) {
  Queue queue = cpu_queue(parsed);
  const int64_t repeats = parsed.whole("repeats", 1);
  const double rate = measure_matrix_rate(queue, repeats, stop);
  std::printf("%d threads, matrix product f32 4096^3: %.1f GFLOP/s\n", queue.threads(),
              rate * 1e-9);
  bench_cpu_step(queue, repeats, stop, rate);
  bench_cpu_attention(queue, repeats, stop);
}

}  // namespace lacuna::cli
