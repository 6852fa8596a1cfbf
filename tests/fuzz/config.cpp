// Options that are accepted are written as a file that reads back as the same options; the texts
// within them (patterns, lengths, shapes of the model) are parsed too.
#include <algorithm>

#include "lacuna/train/length.h"
#include "lacuna/train/options.h"
#include "lacuna/train/setup.h"
#include "targets.h"

namespace lacuna::fuzz {
namespace {

constexpr int64_t kLargest = 1 << 12;  // positions and heads: asking every pair takes its square

void lengths(const train::Options& options) {
  const train::StepSize step{
      .tokens = options.train.batch * std::max<int64_t>(options.model.context, 1),
      .samples = options.train.batch,
      .samples_per_epoch = 1000};
  for (const std::string* text : {&options.train.length, &options.train.evaluate_every,
                                  &options.checkpoint.every, &options.optim.warmup}) {
    answer([&] { promise(train::parse_length(*text, step, "fuzzed") >= 0); });
  }
}

void patterns(const train::Options& options) {
  if (options.model.context > kLargest) return;
  for (const std::string& text : options.model.attention) {
    answer([&] {
      const auto pattern = sparse::parse_pattern(text);
      promise(pattern->stride() >= 0);
      for (int64_t query = 0; query < 64; ++query) {
        for (int64_t key = 0; key <= query; ++key) pattern->attends(0, query, key);
      }
    });
  }
}

}  // namespace

void config(std::string_view bytes) {
  answer([&] {
    const train::Options options = train::parse_options(std::string(bytes), "fuzzed", {});
    const std::string text = train::to_toml(options);
    const train::Options again = train::parse_options(text, "written", {});
    promise(train::to_toml(again) == text);
    train::check_resumable(options, again);
    lengths(options);
    patterns(options);
    answer([&] { nn::parameter_specs(train::model_config(options, *train::medium_of(options))); });
  });
}

}  // namespace lacuna::fuzz
