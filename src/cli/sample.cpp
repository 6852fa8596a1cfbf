#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/train/sampler.h"
#include "lacuna/train/saved_run.h"
#include "sample/draw.h"
#include "sample/output.h"
#include "sample/request.h"

namespace lacuna::cli {
namespace {

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
  SampleSheets(const Medium& medium, const SampleRequest& request)
      : medium_(medium),
        prompt_(request.text),
        config_(request.config),
        first_(request.config.first) {}

  void add(int64_t sample, int32_t symbol) {
    if (sample >= first_ + config_.batch) finish();
    texts_.resize(std::max(texts_.size(), static_cast<size_t>(sample - first_ + 1)));
    std::string& text = texts_[static_cast<size_t>(sample - first_)];
    text += medium_.printed(symbol, text.empty() && prompt_.empty());
  }
  void finish() {
    for (size_t i = 0; i < texts_.size(); ++i) {
      std::fputs(sheet_title(first_ + static_cast<int64_t>(i) + 1, config_).c_str(), stdout);
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
  int64_t first_;
  std::vector<std::string> texts_;
};

void print_samples(train::SavedRun& run, const SampleRequest& request, const Stop& stop) {
  if (request.config.count > 1) {
    SampleSheets sheets(run.medium(), request);
    train::sample(run.queue(), run.model(), request.prompt, request.config,
                  {[&](int64_t sample, int32_t symbol) { sheets.add(sample, symbol); }, stop});
    return sheets.finish();
  }
  TextOutput output;
  output.write(request.text);
  std::fflush(stdout);
  bool first = request.text.empty();
  const auto print = [&](int64_t, int32_t symbol) {
    output.write(run.medium().printed(symbol, std::exchange(first, false)));
    std::fflush(stdout);
  };
  train::sample(run.queue(), run.model(), request.prompt, request.config, {print, stop});
  output.end_text();
}

void write_samples(train::SavedRun& run, const SampleRequest& request, const Parsed& parsed,
                   OutputKind kind, const Stop& stop) {
  const std::string& path = parsed.text("output");
  const nlohmann::json settings = settings_of(request, parsed, run, [&] { leave_if(stop); });
  const std::unique_ptr<SampleOutput> output =
      open_output(kind, {.path = path,
                         .overwrite = parsed.is_set("overwrite"),
                         .medium = run.medium(),
                         .config = request.config,
                         .settings = settings});
  const bool there = output->missing().empty();
  if (!draw_samples(run, request, *output, stop)) {
    log_info("stopped before the end: " + output->when_stopped());
    return;
  }
  output->finish();
  const int64_t count = request.config.count;
  std::printf("%s %s %s %s\n", there ? "found" : "wrote", grouped(count).c_str(),
              count == 1 ? "sample in" : "samples in", path.c_str());
}

void run_sample(const Parsed& parsed, const Stop& stop) {
  const train::SampleConfig config = sample_config(parsed);
  const std::string& folder = parsed.text("RUN");
  train::SavedWork work{.use = {.samples = true},
                        .batch_option = "--batch",
                        .batch = std::min(config.batch, config.count)};
  work.memory = [config](const nn::Transformer& model, int64_t batch) {
    train::SampleConfig at_once = config;
    at_once.batch = batch;
    return train::Sampler(Queue::dry(), model, at_once).memory();
  };
  train::SavedRun run(
      folder, parsed.is_set("raw"), parsed.overrides, [&] { leave_if(stop); }, work);
  const SampleRequest request =
      sample_request(parsed, config, run.medium(), run.model().config().context);
  if (parsed.is_set("output")) {
    const OutputKind kind =
        kind_of_output(parsed.text("output"), run.medium(), request.config.count);
    return write_samples(run, request, parsed, kind, stop);
  }
  if (!is_printed(run.medium())) {
    throw Error(ErrorKind::kUsage, "--output",
                "samples of this run are no text and can only be written as files",
                str("For example `lacuna sample ", shell_quoted(folder), " --output sample",
                    run.medium().suffix(), "`"));
  }
  print_samples(run, request, stop);
}

}  // namespace

Command make_sample_command() {
  return {
      .name = "sample",
      .summary = "Draw text, pictures or sound from a saved run's model",
      .positionals = {{"RUN", "", "", "folder of a run or of one of its checkpoints"}},
      .flags = {{"--output", "PATH", "",
                 "Write there: one file, by its suffix .txt, .png (several as a grid), .wav or "
                 ".npz, or a folder with a file each, such as samples/; text is printed "
                 "without it"},
                {"--overwrite", "", "",
                 "Replace samples of other settings in the folder, or a finished .npz"},
                {"--prompt", "TEXT", "", "What a text begins with"},
                {"--prompt-file", "FILE", "", "The same, read from a file"},
                {"--complete", "FILE", "", "Go on with this picture or sound"},
                {"--keep", "X", "auto",
                 "How much of it stays: of a picture the share of its rows (auto: half of "
                 "them), of a sound seconds (auto: half a context)"},
                {"--length", "N", "auto",
                 "Symbols to draw after that; auto: 256, of sound a whole context; a picture "
                 "is always whole"},
                {"--seconds", "S", "auto", "The same in time, for sound"},
                {"--temperature", "X", "1", "0 always takes the likeliest symbol"},
                {"--top-k", "K", "0", "Draw among the K likeliest symbols only; 0: among all"},
                {"--top-p", "P", "1",
                 "Then among the fewest that together have at least this share"},
                {"--count", "N", "1", "Samples; with several each is printed when it is whole"},
                {"--first", "N", "1", "Number of the first of them"},
                {"--batch", "N", "8", "Samples drawn at once; changes none of them"},
                {"--seed", "N", "1", "The same seed and number give the same sample"},
                {"--raw", "", "", "Use the weights themselves, not their average"},
                {"--no-cache", "", "", "Run the whole forward pass for each symbol, as a check"}},
      .takes_options = true,
      .run = run_sample};
}

}  // namespace lacuna::cli
