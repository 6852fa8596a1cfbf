#include <unistd.h>

#include <cstdio>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/train/sampler.h"
#include "lacuna/train/saved_run.h"

namespace lacuna::cli {
namespace {

train::DrawRule rule_of(const Parsed& parsed) {
  train::DrawRule rule{.temperature = parsed.number("temperature", 0),
                       .top_k = parsed.whole("top-k", 0),
                       .top_p = parsed.number("top-p", 0)};
  if (rule.top_p == 0 || rule.top_p > 1) {
    throw Error(ErrorKind::kUsage, "--top-p",
                "expected a number above 0 and not above 1, got '" + parsed.text("top-p") + "'");
  }
  return rule;
}

train::SampleConfig config_of(const Parsed& parsed) {
  return {.length = parsed.whole("length", 1),
          .count = parsed.whole("count", 1),
          .batch = parsed.whole("batch", 1),
          .rule = rule_of(parsed),
          .seed = static_cast<uint64_t>(parsed.whole("seed", 0)),
          .cached = !parsed.is_set("no-cache")};
}

std::string prompt_of(const Parsed& parsed) {
  if (!parsed.is_set("prompt-file")) return parsed.text("prompt");
  if (parsed.is_set("prompt")) {
    throw Error(ErrorKind::kUsage, "--prompt", "contradicts --prompt-file", "Give one of them");
  }
  return read_text(parsed.text("prompt-file"));
}

std::vector<int32_t> symbols_of(const std::string& text, const Parsed& parsed, int64_t vocabulary) {
  std::vector<int32_t> symbols;
  for (const char byte : text) {
    symbols.push_back(static_cast<unsigned char>(byte));
    if (symbols.back() < vocabulary) continue;
    const bool file = parsed.is_set("prompt-file");
    throw Error(file ? ErrorKind::kData : ErrorKind::kUsage,
                file ? parsed.text("prompt-file") : "--prompt",
                str("byte ", symbols.size() - 1, " is ", symbols.back(),
                    ", which is no symbol of the model: it knows 0 to ", vocabulary - 1));
  }
  return symbols;
}

// Texts on the standard output: their bytes as they are, but on a terminal, which would obey some
// of them, as printable() shows them.
class TextOutput {
 public:
  void write(const std::string& bytes) { put(terminal_ ? shown_.add(bytes) : bytes); }
  void end_text() { put(shown_.finish() + "\n"); }

 private:
  static void put(const std::string& bytes) { std::fwrite(bytes.data(), 1, bytes.size(), stdout); }

  bool terminal_ = isatty(STDOUT_FILENO) == 1;
  PrintableStream shown_;
};

// Collects the samples that are drawn at once and prints each in whole.
class SampleSheets {
 public:
  SampleSheets(const Medium& medium, const std::string& prompt, const train::SampleConfig& config)
      : medium_(medium), prompt_(prompt), config_(config) {}

  void add(int64_t sample, int32_t symbol) {
    if (sample >= first_ + config_.batch) finish();
    texts_.resize(std::max(texts_.size(), static_cast<size_t>(sample - first_ + 1)));
    std::string& text = texts_[static_cast<size_t>(sample - first_)];
    text += medium_.printed(symbol, text.empty() && prompt_.empty());
  }
  void finish() {
    for (size_t i = 0; i < texts_.size(); ++i) {
      std::printf("--- sample %lld of %lld, seed %llu\n",
                  static_cast<long long>(first_) + static_cast<long long>(i) + 1,
                  static_cast<long long>(config_.count),
                  static_cast<unsigned long long>(config_.seed));
      output_.write(prompt_ + texts_[i]);
      output_.end_text();
    }
    std::fflush(stdout);
    texts_.clear();
    first_ += config_.batch;
  }

 private:
  const Medium& medium_;
  const std::string& prompt_;
  const train::SampleConfig& config_;
  TextOutput output_;
  int64_t first_ = 0;
  std::vector<std::string> texts_;
};

void run_sample(const Parsed& parsed, const Stop& stop) {
  const train::SampleConfig config = config_of(parsed);
  const std::string text = prompt_of(parsed);
  train::SavedRun run(parsed.text("RUN"), parsed.is_set("raw"), parsed.overrides,
                      [&] { leave_if(stop); });
  const std::vector<int32_t> prompt = symbols_of(text, parsed, run.model().config().vocabulary);
  if (config.count > 1) {
    SampleSheets sheets(run.medium(), text, config);
    train::sample(run.queue(), run.model(), prompt, config,
                  {[&](int64_t sample, int32_t symbol) { sheets.add(sample, symbol); }, stop});
    return sheets.finish();
  }
  TextOutput output;
  output.write(text);
  std::fflush(stdout);
  bool first = text.empty();
  const auto print = [&](int64_t, int32_t symbol) {
    output.write(run.medium().printed(symbol, std::exchange(first, false)));
    std::fflush(stdout);
  };
  train::sample(run.queue(), run.model(), prompt, config, {print, stop});
  output.end_text();
}

}  // namespace

Command make_sample_command() {
  return {.name = "sample",
          .summary = "Print texts that a saved run's model continues",
          .positionals = {{"RUN", "", "", "folder of a run or of one of its checkpoints"}},
          .flags = {{"--prompt", "TEXT", "", "What the text begins with"},
                    {"--prompt-file", "FILE", "", "The same, read from a file"},
                    {"--length", "N", "256", "Bytes to draw after the prompt"},
                    {"--temperature", "X", "1", "0 always takes the likeliest byte"},
                    {"--top-k", "K", "0", "Draw among the K likeliest bytes only; 0: among all"},
                    {"--top-p", "P", "1",
                     "Then among the fewest that together have at least this share"},
                    {"--count", "N", "1", "Samples; with several each is printed when it is whole"},
                    {"--batch", "N", "8", "Samples drawn at once; changes none of them"},
                    {"--seed", "N", "1", "The same seed draws the same texts"},
                    {"--raw", "", "", "Use the weights themselves, not their average"},
                    {"--no-cache", "", "", "Run the whole forward pass for each byte, as a check"}},
          .takes_options = true,
          .run = run_sample};
}

}  // namespace lacuna::cli
