#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/train/decode_program.h"
#include "lacuna/train/program.h"
#include "sampling_places.h"

namespace lacuna::cli {
namespace {

constexpr int64_t kContext = 4096, kStride = 64;  // of the small model: sqrt(T)

struct SamplingTimes {
  double whole_pass;              // seconds; a token without the cache
  double mean_step;               // a token with it, over all positions
  std::array<double, 3> step_at;  // at the places
  size_t cache;                   // bytes
};

// One step for every position, from the first to the last.
double mean_step(train::DecodeProgram& program, const Stop& stop) {
  const double seconds = seconds_of([&] {
    for (int64_t t = 0; t < kContext; ++t) {
      leave_if(stop);
      program.tokens()[0] = static_cast<int32_t>(t % 256);
      program.run(t);
    }
  });
  return seconds / static_cast<double>(kContext);
}

SamplingTimes time_sampling(const Queue& queue, const std::string& pattern, int64_t repeats,
                            const Stop& stop) {
  nn::ModelConfig wanted{.layers = 4, .heads = 4, .width = 256, .context = kContext};
  wanted.attention = {pattern};
  const nn::ModelConfig config = wanted.resolved();
  const auto specs = nn::parameter_specs(config);
  nn::ParameterStore parameters(specs, DType::kF32, false);
  parameters.initialise(specs, 1);
  const nn::Transformer model(config, parameters);
  train::DecodeProgram decoder(queue, model, 1);
  train::Program whole = train::Program::evaluation(queue, model, 1);
  SamplingTimes times{};
  times.whole_pass = median_seconds(repeats, stop, [&] { whole.run(model); });
  times.mean_step = mean_step(decoder, stop);
  times.step_at = seconds_at(sampling_places(kContext), kStride, repeats, stop,
                             [&](int64_t position) { decoder.run(position); });
  times.cache = decoder.memory()[MemoryTag::kCache];
  return times;
}

void bench_small_model(const Parsed& parsed, const Stop& stop) {
  const Queue queue = cpu_queue(parsed);
  const int64_t repeats = parsed.whole("repeats", 1);
  std::printf("sampling on %d threads, 4 layers, 4 heads, C=256, T=4096, f32, one sample\n",
              queue.threads());
  std::printf("  %-14s %9s %11s %11s %8s | %9s %9s %9s %7s\n", "pattern", "cache MiB", "cached t/s",
              "whole t/s", "times", "ms at T/8", "at T/2", "at T", "spread");
  for (const char* pattern : {"local(64)", "column(64)", "strided(64)", "fixed(64, 16)"}) {
    const SamplingTimes times = time_sampling(queue, pattern, repeats, stop);
    const auto [low, high] = std::minmax_element(times.step_at.begin(), times.step_at.end());
    std::printf("  %-14s %9.1f %11.1f %11.2f %8.1f | %9.3f %9.3f %9.3f %7.2f\n", pattern,
                static_cast<double>(times.cache) / (1 << 20), 1 / times.mean_step,
                1 / times.whole_pass, times.whole_pass / times.mean_step, 1e3 * times.step_at[0],
                1e3 * times.step_at[1], 1e3 * times.step_at[2], *high / *low);
    std::fflush(stdout);
  }
}

// What is not read must not be given in vain.
void refuse_unread(const Parsed& parsed) {
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw Error(ErrorKind::kUsage, "bench sampling", "it " + what, hint);
  };
  if (parsed.is_set("config")) {
    if (parsed.whole("threads", 0) != 0) {
      refuse("reads no --threads with --config", "Use --train.threads");
    }
    return;
  }
  const std::string hint = "Give --config FILE";
  if (parsed.whole("batch", 1) != 1) refuse("has no --batch without --config", hint);
  if (parsed.is_set("json")) refuse("has no --json without --config", hint);
  if (!parsed.overrides.empty()) refuse("reads no options without --config", hint);
}

}  // namespace

void bench_sampling(const Parsed& parsed, const Stop& stop) {
  refuse_unread(parsed);
  if (parsed.is_set("config")) return bench_configured_sampling(parsed, stop);
  bench_small_model(parsed, stop);
}

}  // namespace lacuna::cli
