#include <cstdio>

#include "lacuna/base/error.h"
#include "lacuna/cli/command.h"
#include "lacuna/train/sampler.h"
#include "lacuna/train/saved_run.h"

namespace lacuna::cli {
namespace {

void run_sample(const Parsed& parsed, const Stop& stop) {
  const train::SampleConfig config{.length = parsed.whole("length", 1),
                                   .temperature = parsed.number("temperature", 0),
                                   .seed = static_cast<uint64_t>(parsed.whole("seed", 0))};
  train::SavedRun run(parsed.text("RUN"), parsed.is_set("raw"), parsed.overrides);
  const std::string& text = parsed.text("prompt");
  std::vector<int32_t> prompt;
  for (const char byte : text) {
    prompt.push_back(static_cast<unsigned char>(byte));
    if (prompt.back() >= run.model().config().vocabulary) {
      throw Error(ErrorKind::kUsage, "--prompt", "has a byte that is no symbol of the model");
    }
  }
  train::Program program = run.program(1);
  std::fputs(text.c_str(), stdout);
  train::sample(program, run.model(), prompt, config, [&](int32_t symbol) {
    std::putchar(symbol);
    std::fflush(stdout);
    return !stop();
  });
  std::putchar('\n');
}

}  // namespace

Command make_sample_command() {
  return {.name = "sample",
          .summary = "Print a text that a saved run's model continues",
          .positionals = {{"RUN", "", "", "folder of a run or of one of its checkpoints"}},
          .flags = {{"--prompt", "TEXT", "", "What the text begins with"},
                    {"--length", "N", "256", "Bytes to draw"},
                    {"--temperature", "X", "1", "0 always takes the likeliest byte"},
                    {"--seed", "N", "1", "The same seed draws the same text"},
                    {"--raw", "", "", "Use the weights themselves, not their average"}},
          .takes_options = true,
          .run = run_sample};
}

}  // namespace lacuna::cli
