// `lacuna bench sampling --config FILE`: what a token of a configuration costs on its device.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/rng.h"
#include "lacuna/io/json_line.h"
#include "lacuna/sparse/pattern.h"
#include "lacuna/train/decode_program.h"
#include "lacuna/train/draw.h"
#include "lacuna/train/program.h"
#include "lacuna/train/setup.h"
#include "sampling_places.h"

namespace lacuna::cli {
namespace {

struct DecodeTimes {
  double whole_pass;              // seconds
  std::array<double, 3> step_at;  // seconds, at the places
  size_t cache;                   // bytes
};

// One token of each sequence, as `lacuna sample` draws it: the step, its logits on the host, and
// there a draw from them.
void draw_token(train::DecodeProgram& program, int64_t position) {
  program.run(position);
  const View& logits = program.logits();
  for (int64_t b = 0; b < program.batch(); ++b) {
    const PhiloxKey key = random_key(1, RandomUse::kSample, static_cast<uint64_t>(b));
    const PhiloxCounter words = random_words(key, static_cast<uint64_t>(position), 0, 0);
    program.tokens()[b] =
        train::draw(train::row_of(logits, b), {}, uniform_double(words[0], words[1]));
  }
}

// On a queue that captures, the first run launches, the second records and the others replay: both
// functions run two untimed.
DecodeTimes time_decoding(const Queue& queue, const nn::Transformer& model, int64_t batch,
                          int64_t stretch, int64_t repeats, const Stop& stop) {
  train::DecodeProgram program(queue, model, batch);
  const auto step = [&](int64_t position) { draw_token(program, position); };
  step(0);
  step(0);
  program.clear_cache();  // positions are skipped
  return {
      .step_at = seconds_at(sampling_places(model.config().context), stretch, repeats, stop, step),
      .cache = program.memory()[MemoryTag::kCache]};
}

// Waits for the losses, which are fewer than the logits.
double time_whole_pass(const Queue& queue, const nn::Transformer& model, int64_t batch,
                       int64_t repeats, const Stop& stop) {
  train::Program program = train::Program::evaluation(queue, model, batch);
  const auto whole_pass = [&] {
    program.run(model);
    program.losses();
  };
  if (queue.uses_graphs()) whole_pass();
  return median_seconds(repeats, stop, whole_pass);
}

// The largest stride of the patterns, 64 without one; it fits before the first place.
int64_t stretch_of(const nn::ModelConfig& config) {
  int64_t stretch = 0;
  for (const std::string& text : config.attention) {
    stretch = std::max(stretch, sparse::parse_pattern(text)->stride());
  }
  return std::min(stretch > 0 ? stretch : 64, sampling_places(config.context)[0]);
}

}  // namespace

void bench_configured_sampling(const Parsed& parsed, const Stop& stop) {
  const std::string& file = parsed.text("config");
  const int64_t batch = parsed.whole("batch", 1), repeats = parsed.whole("repeats", 1);
  const train::Options options = train::read_options(file, parsed.overrides);
  const nn::ModelConfig config = train::model_config(options, *train::medium_of(options));
  const Queue queue = train::make_queue(options);
  train::check_supported(config, batch, queue);
  const auto specs = nn::parameter_specs(config);
  nn::ParameterStore parameters(queue, specs, train::storage_type(options, queue), false);
  parameters.initialise(specs, 1);
  const nn::Transformer model(config, parameters);
  const int64_t stretch = stretch_of(config);
  DecodeTimes times = time_decoding(queue, model, batch, stretch, repeats, stop);
  times.whole_pass = time_whole_pass(queue, model, batch, repeats, stop);

  const auto per_second = [&](double seconds) { return static_cast<double>(batch) / seconds; };
  const std::string device = train::device_text(queue);
  std::printf("%s on %s, %lld sequences of %lld positions, %s, cache %.1f MiB\n", file.c_str(),
              device.c_str(), static_cast<long long>(batch), static_cast<long long>(config.context),
              name_of(model.dtype()), static_cast<double>(times.cache) / (1 << 20));
  std::printf("  a token: a step, its logits on the host and there a draw, for each sequence;\n");
  std::printf("  medians over the %lld positions before each place\n",
              static_cast<long long>(stretch));
  std::printf("  a whole pass for each token: %.3f ms without logits and draw, %.2f tokens/s\n",
              1e3 * times.whole_pass, per_second(times.whole_pass));
  std::printf("  %9s %11s %11s %8s\n", "place", "ms a token", "tokens/s", "times");
  std::string places;
  for (size_t i = 0; i < times.step_at.size(); ++i) {
    const int64_t place = sampling_places(config.context)[i];
    const double seconds = times.step_at[i], ratio = times.whole_pass / seconds;
    std::printf("  %9lld %11.3f %11.1f %8.1f\n", static_cast<long long>(place), 1e3 * seconds,
                per_second(seconds), ratio);
    JsonLine line;
    line.add("place", place).add("ms", 1e3 * seconds).add("tokens_per_second", per_second(seconds));
    places += (places.empty() ? "" : ", ") + line.add("times", ratio).text();
  }
  if (!parsed.is_set("json")) return;
  JsonLine json;
  json.add("config", file)
      .add("device", device)
      .add("type", name_of(model.dtype()))
      .add("batch", batch)
      .add("context", config.context)
      .add("cache_bytes", static_cast<int64_t>(times.cache))
      .add("stretch", stretch)
      .add("whole_pass_ms", 1e3 * times.whole_pass)
      .add("whole_pass_tokens_per_second", per_second(times.whole_pass))
      .add_json("places", "[" + places + "]");
  write_atomic(parsed.text("json"), json.text() + "\n");
}

}  // namespace lacuna::cli
