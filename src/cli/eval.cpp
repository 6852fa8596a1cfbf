#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <numbers>

#include "eval_report.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/base/names.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/io/safetensors.h"
#include "lacuna/train/evaluator.h"
#include "lacuna/train/run_display.h"
#include "lacuna/train/saved_run.h"
#include "output_place.h"

namespace lacuna::cli {
namespace {

// Tokens, logits and bits of the first whole windows of the part, for tools outside lacuna.
void write_logits(const std::string& path, train::SavedRun& run, const Part& part,
                  const std::string& name) {
  const nn::ModelConfig& model = run.model().config();
  std::vector<EvaluationWindow> windows =
      evaluation_windows(part, run.medium().grid(), model.context, 0);
  std::erase_if(windows, [&](const auto& window) { return window.length < model.context; });
  if (windows.empty()) {
    throw Error(ErrorKind::kData, "--logits",
                str("the part '", name, "' has no whole window of ", model.context, " symbols"));
  }
  const int64_t rows = std::min(run.options().train.batch, std::ssize(windows));
  train::Program program = run.program(rows);
  for (int64_t row = 0; row < rows; ++row) {
    part.read(windows[static_cast<size_t>(row)].begin, model.context,
              program.tokens() + row * model.context);
  }
  program.run(run.model());
  const double* losses = program.losses();
  std::vector<double> bits(losses, losses + rows * model.context);
  for (double& value : bits) value /= std::numbers::ln2;
  const View& logits = program.logits();
  write_safetensors(path,
                    {{"tokens", "I32", {rows, model.context}, program.tokens()},
                     {"logits", logits.dtype() == DType::kF64 ? "F64" : "F32",
                      logits.shape().sizes(), logits.raw()},
                     {"bits", "F64", {rows, model.context}, bits.data()}},
                    {{"split", name}, {"weights", run.weights_file()}});
  std::printf("wrote the logits of %s positions to %s\n", grouped(rows * model.context).c_str(),
              path.c_str());
}

// Both sets of weights where there are both, unless one was asked for. All are loaded before the
// first is evaluated: a damaged one is noticed at once.
std::vector<EvalModel> wanted(const Parsed& parsed, const Stop& stop) {
  const std::string& folder = parsed.text("RUN");
  const bool raw = parsed.is_set("raw"), average = parsed.is_set("average");
  if (raw && average) {
    throw Error(ErrorKind::kUsage, "--raw", "contradicts --average",
                "Without either, both are evaluated");
  }
  const bool averaged = train::has_average(folder), both = averaged && !raw && !average;
  train::SavedWork work{
      .sets = both ? 2 : 1, .use = {.evaluates = true}, .batch_option = "train.batch"};
  work.memory = [](const nn::Transformer& model, int64_t batch) {
    return train::Program::evaluation(Queue::dry(), model, batch).memory();
  };
  std::vector<EvalModel> models;
  const auto load = [&](train::Weights weights) {
    models.push_back({weights, std::make_unique<train::SavedRun>(
                                   folder, weights == train::Weights::kRaw, parsed.overrides,
                                   [&] { leave_if(stop); }, work)});
  };
  if (!average) load(train::Weights::kRaw);
  if (average && !averaged) {
    throw Error(ErrorKind::kUsage, "--average", folder + " has no averaged weights",
                "Leave it out for the weights themselves");
  }
  if (!raw && averaged) load(train::Weights::kAverage);
  return models;
}

// Before any work: outputs that cannot be written, or would replace one another.
void check_outputs(const Parsed& parsed) {
  std::map<std::string, std::string> flags;  // by the place
  for (const std::string flag : {"json", "per-sample", "picture", "logits"}) {
    if (!parsed.is_set(flag)) continue;
    const std::string& path = parsed.text(flag);
    const bool printed = path == "-";
    if (printed && (flag == "picture" || flag == "logits")) {
      throw Error(ErrorKind::kUsage, "--" + flag, "is no text and is not printed", "Name a file");
    }
    const auto [other, is_new] = flags.emplace(
        printed ? path : std::filesystem::absolute(path).lexically_normal().string(), flag);
    if (!is_new) {
      throw Error(ErrorKind::kUsage, "--" + flag, str("goes to ", path, ", as --", other->second),
                  "Give each a place of its own");
    }
    if (!printed) check_output_file(path);
  }
}

bool is_number(const std::string& flag) {
  return flag == "limit" || flag == "min-context";
}

// What would be passed over, or has no meaning for the data.
void check_flags(const Parsed& parsed, const Medium& medium) {
  for (const char* flag : {"json", "per-sample", "picture", "limit", "min-context"}) {
    const std::string& word = parsed.text(flag);
    const bool is_default = word.empty() || (word == "0" && is_number(flag));
    if (!parsed.is_set("logits") || is_default) continue;
    throw Error(ErrorKind::kUsage, str("--", flag),
                "contradicts --logits, which evaluates nothing but one batch",
                "Give them to two commands");
  }
  if (!parsed.is_set("picture") || medium.shape().size() == 3) return;
  throw Error(ErrorKind::kUsage, "--picture",
              "shows bits at the rows and columns of pictures, but this data has none: its bits "
              "are per " +
                  medium.unit().name,
              "--per-sample shows where the bits of other data are");
}

// One, or where "valid" is asked for all validation sets.
std::vector<EvalPart> chosen_parts(const Dataset& data, const std::string& name) {
  std::vector<EvalPart> parts;
  if (name == split_name(Split::kValid)) {
    for (const ValidationSet& set : data.valid()) parts.push_back({set.name, set.part.get(), {}});
  } else {
    parts.push_back({name, &data.part(name), {}});
  }
  return parts;
}

// Other bits than those of training are no surprise to who asked for other data; another split asks
// for other parts of the same.
void warn_of_other_data(const EvalReport& report, const std::vector<train::Override>& overrides) {
  if (!report.trained_data || report.trained_data == report.data) return;
  for (const auto& [name, value] : overrides) {
    if (name.starts_with("data.") && name != "data.split") return;
  }
  log_warning(str("the data has changed since training: its identity is ", report.data, ", not ",
                  *report.trained_data));
}

// Scores the parts by all models in turn; ends sooner when it is stopped, with what is whole by
// then.
class Scoring {
 public:
  Scoring(EvalReport& report, int64_t limit, const Stop& stop)
      : report_(report),
        limit_(limit),
        stop_(stop),
        program_(report.run().program(report.run().options().train.batch)) {
    for (const EvalPart& part : report.parts) {
      const auto windows = std::ssize(evaluation_windows(*part.part, report.run().medium().grid(),
                                                         context(), report.min_context));
      all_ += (limit > 0 ? std::min(limit, windows) : windows) * std::ssize(report.models);
    }
  }

  void run() {
    for (EvalPart& part : report_.parts) {
      for (const EvalModel& model : report_.models) {
        part.scores.push_back(score(part, model));
        const train::Evaluation& found = part.scores.back().evaluation;
        done_ += found.windows;
        if (found.complete) continue;
        log_info(str("stopped after ", grouped(found.positions), " of ", grouped(part.part->size()),
                     " positions", report_.several ? " of " + part.name : "", " (",
                     name_of(model.weights), " weights)"));
        part.scores.pop_back();
        std::erase_if(report_.parts, [](const EvalPart& other) { return other.scores.empty(); });
        return;
      }
    }
  }

 private:
  int64_t context() const { return report_.run().model().config().context; }

  EvalScore score(const EvalPart& part, const EvalModel& model) {
    const train::EvaluationRequest request{
        .name = part.name,
        .part = *part.part,
        .medium = model.run->medium(),
        .min_context = report_.min_context,
        .limit = limit_,
        .seed = static_cast<uint64_t>(model.run->options().train.seed)};
    EvalScore score;
    score.evaluation = train::evaluate(
        program_, model.run->model(), request, stop_,
        [&](int64_t done, int64_t) { show(done_ + done); },
        [&](const EvaluationWindow& window, const double* losses) {
          score.by_sample.add(request, context(), window, losses);
        });
    return score;
  }

  void show(int64_t now) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin_;
    const double left = static_cast<double>(all_ - now) / static_cast<double>(now);
    display_.show_at_work(
        {.doing = str("evaluation ", now, "/", all_), .seconds_left = left * spent.count()});
  }

  EvalReport& report_;
  int64_t limit_;
  const Stop& stop_;
  train::Program program_;
  train::RunDisplay display_{1};
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  int64_t done_ = 0, all_ = 0;  // windows
};

// What is not finite has been shown by now.
void check_finite(const EvalReport& report) {
  for (const EvalPart& part : report.parts) {
    for (size_t m = 0; m < part.scores.size(); ++m) {
      if (std::isfinite(part.scores[m].evaluation.bits)) continue;
      throw Error(ErrorKind::kNumeric, report.models[m].run->weights_file(),
                  "the bits of these weights are not finite",
                  "They are of a training that diverged, or damaged: `lacuna inspect checkpoint` "
                  "shows which");
    }
  }
}

// The option that says what is in a part.
const char* source_of(const std::string& part, const train::Options& options) {
  const bool split = options.data.valid_paths.empty() && options.data.test_paths.empty();
  if (split) return "data.split";
  return part == split_name(Split::kTest) ? "data.test_paths" : "data.valid_paths";
}

// To the standard output JSON or rows go in the place of the text.
void write_all(const Parsed& parsed, const EvalReport& report, const Dataset& data) {
  const std::string& file = parsed.text("json");
  const std::string& samples = parsed.text("per-sample");
  const std::string json = file.empty() ? "" : report_json(report);
  const std::string rows = samples.empty() ? "" : samples_text(report, samples.ends_with(".jsonl"));
  const std::string text = file == "-" ? json : samples == "-" ? rows : report_text(report, data);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);  // before what others write to the same place
  if (!file.empty() && file != "-") write_atomic(file, json);
  if (!samples.empty() && samples != "-") write_atomic(samples, rows);
  if (parsed.is_set("picture")) write_png(parsed.text("picture"), draw_places(report), 2);
}

void run_eval(const Parsed& parsed, const Stop& stop) {
  const int64_t limit = parsed.whole("limit", 0);
  check_outputs(parsed);
  EvalReport report{.folder = parsed.text("RUN"),
                    .split = parsed.text("split"),
                    .several = false,
                    .min_context = parsed.whole("min-context", 0)};
  report.models = wanted(parsed, stop);
  train::SavedRun& preferred = *report.models.back().run;
  check_flags(parsed, preferred.medium());
  const std::unique_ptr<Dataset> data = open_dataset(train::dataset_config(preferred.options()));
  report.parts = chosen_parts(*data, report.split);
  report.several = report.parts.size() > 1;
  report.data = data->identity([&] { leave_if(stop); });
  report.trained_data = train::trained_data(report.folder);
  warn_of_other_data(report, parsed.overrides);
  if (parsed.is_set("logits")) {
    const EvalPart& first = report.parts.front();
    return write_logits(parsed.text("logits"), preferred, *first.part, first.name);
  }
  for (const EvalPart& part : report.parts) {
    if (part.part->size() > 0) continue;
    throw Error(ErrorKind::kData, source_of(part.name, preferred.options()),
                str("the part '", part.name, "' is empty"), "Choose another with --split");
  }
  Scoring(report, limit, stop).run();
  if (report.parts.empty()) return;
  write_all(parsed, report, *data);
  check_finite(report);
}

}  // namespace

Command make_eval_command() {
  return {
      .name = "eval",
      .summary =
          "Bits per byte, dim or sample of a saved run, its weights and their average, on one "
          "part of its data",
      .positionals = {{"RUN", "", "", "folder of a run or of one of its checkpoints"}},
      .flags = {{"--split", "PART", "valid",
                 "train, test, valid (all validation sets) or valid/NAME of a set with a name"},
                {"--min-context", "M", "0",
                 "Score each position with at least M before it in its window"},
                {"--limit", "N", "0",
                 "Only N windows of each part (of pictures: pictures), spread over it and drawn "
                 "by train.seed; 0: all"},
                {"--raw", "", "", "Only the weights themselves, not their average"},
                {"--average", "", "", "Only the averaged weights"},
                {"--json", "FILE", "",
                 "Also write the report as JSON; - prints it instead of the text"},
                {"--per-sample", "FILE", "",
                 "Also write a row for each picture, file of sound or window: CSV, or JSON "
                 "lines where it ends in .jsonl; - prints CSV instead of the text"},
                {"--picture", "FILE", "",
                 "Also draw where in pictures the bits are, as a PNG file"},
                {"--logits", "FILE", "",
                 "Instead write tokens, logits and bits of the first batch as safetensors"}},
      .takes_options = true,
      .run = run_eval};
}

}  // namespace lacuna::cli
