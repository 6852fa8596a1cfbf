#include <chrono>
#include <cmath>
#include <cstdio>
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

namespace lacuna::cli {
namespace {

// Tokens, logits and bits of the first windows of the part, for tools outside lacuna.
void write_logits(const std::string& path, train::SavedRun& run, const Part& part,
                  const std::string& name) {
  const nn::ModelConfig& model = run.model().config();
  const int64_t rows = std::min(run.options().train.batch, part.size() / model.context);
  if (rows == 0) {
    throw Error(
        ErrorKind::kData, "--logits",
        str("the part '", name, "' is shorter than one window of ", model.context, " symbols"));
  }
  train::Program program = run.program(rows);
  part.read(0, rows * model.context, program.tokens());
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
std::vector<EvalResult> wanted(const Parsed& parsed, const Stop& stop) {
  const std::string& folder = parsed.text("RUN");
  const bool raw = parsed.is_set("raw"), average = parsed.is_set("average");
  if (raw && average) {
    throw Error(ErrorKind::kUsage, "--raw", "contradicts --average",
                "Without either, both are evaluated");
  }
  std::vector<EvalResult> results;
  const auto load = [&](train::Weights weights) {
    results.push_back(
        {weights, std::make_unique<train::SavedRun>(folder, weights == train::Weights::kRaw,
                                                    parsed.overrides, [&] { leave_if(stop); })});
  };
  if (!average) load(train::Weights::kRaw);
  const bool averaged = train::has_average(folder);
  if (average && !averaged) {
    throw Error(ErrorKind::kUsage, "--average", folder + " has no averaged weights",
                "Leave it out for the weights themselves");
  }
  if (!raw && averaged) load(train::Weights::kAverage);
  return results;
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

// False when it was stopped; the results that are there by then stay.
bool evaluate_all(EvalReport& report, const Part& part, const Stop& stop) {
  train::SavedRun& first = *report.results.front().run;
  train::Program program = first.program(first.options().train.batch);
  train::RunDisplay display(1);
  const auto begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < report.results.size(); ++i) {
    auto& [weights, run, evaluation] = report.results[i];
    const auto counted = [&](int64_t done, int64_t windows) {
      const int64_t now = static_cast<int64_t>(i) * windows + done;
      const int64_t all = static_cast<int64_t>(report.results.size()) * windows;
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
      const double left = static_cast<double>(all - now) / static_cast<double>(now);
      display.show_at_work(
          {.doing = str("evaluation ", now, "/", all), .seconds_left = left * spent.count()});
    };
    const train::EvaluationRequest request{.name = report.part,
                                           .part = part,
                                           .medium = run->medium(),
                                           .min_context = report.min_context};
    evaluation = evaluate(program, run->model(), request, stop, counted);
    if (evaluation.complete) continue;
    log_info(str("stopped after ", grouped(evaluation.positions), " of ", grouped(part.size()),
                 " positions (", name_of(weights), " weights)"));
    report.results.resize(i);
    return false;
  }
  return true;
}

// What is not finite has been shown by now.
void check_finite(const std::vector<EvalResult>& results) {
  for (const auto& [weights, run, evaluation] : results) {
    if (std::isfinite(evaluation.bits)) continue;
    throw Error(ErrorKind::kNumeric, run->weights_file(),
                "the bits of these weights are not finite",
                "They are of a training that diverged, or damaged: `lacuna inspect checkpoint` "
                "shows which");
  }
}

void run_eval(const Parsed& parsed, const Stop& stop) {
  EvalReport report{.folder = parsed.text("RUN"),
                    .part = parsed.text("split"),
                    .min_context = parsed.whole("min-context", 0)};
  report.results = wanted(parsed, stop);
  train::SavedRun& preferred = *report.results.back().run;
  const std::unique_ptr<Dataset> data = open_dataset(train::dataset_config(preferred.options()));
  const Part& part = data->part(report.part);
  report.data = data->identity([&] { leave_if(stop); });
  report.trained_data = train::trained_data(report.folder);
  warn_of_other_data(report, parsed.overrides);
  if (parsed.is_set("logits")) {
    return write_logits(parsed.text("logits"), preferred, part, report.part);
  }
  if (part.size() == 0) {
    throw Error(ErrorKind::kData, "data.split", str("the part '", report.part, "' is empty"),
                "Choose another with --split");
  }
  if (!evaluate_all(report, part, stop) && report.results.empty()) return;
  const std::string& file = parsed.text("json");
  const std::string json = file.empty() ? "" : report_json(report, part);
  std::fputs(file == "-" ? json.c_str() : report_text(report, *data).c_str(), stdout);
  if (!file.empty() && file != "-") write_atomic(file, json);
  check_finite(report.results);
}

}  // namespace

Command make_eval_command() {
  return {.name = "eval",
          .summary =
              "Bits per byte, dim or sample of a saved run, its weights and their average, on one "
              "part of its data",
          .positionals = {{"RUN", "", "", "folder of a run or of one of its checkpoints"}},
          .flags = {{"--split", "PART", "valid",
                     "train, valid, valid/NAME of a set with a name, or test"},
                    {"--min-context", "M", "0",
                     "Score each position with at least M before it in its window"},
                    {"--raw", "", "", "Only the weights themselves, not their average"},
                    {"--average", "", "", "Only the averaged weights"},
                    {"--json", "FILE", "",
                     "Also write the report as JSON; - prints it instead of the text"},
                    {"--logits", "FILE", "",
                     "Instead write tokens, logits and bits of the first batch as safetensors"}},
          .takes_options = true,
          .run = run_eval};
}

}  // namespace lacuna::cli
