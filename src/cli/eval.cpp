#include <cmath>
#include <cstdio>
#include <numbers>

#include "lacuna/base/names.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/io/safetensors.h"
#include "lacuna/train/evaluator.h"
#include "lacuna/train/saved_run.h"

namespace lacuna::cli {
namespace {

Split split_called(const std::string& name) {
  std::vector<std::string> names;
  for (const Split split : kSplits) {
    if (name == split_name(split)) return split;
    names.emplace_back(split_name(split));
  }
  throw unknown_name(ErrorKind::kUsage, "--split", "part", name, names);
}

// Tokens, logits and bits of the first windows of the part, for tools outside lacuna.
void write_logits(const std::string& path, train::SavedRun& run, const Dataset& data, Split split) {
  const nn::ModelConfig& model = run.model().config();
  const int64_t rows = std::min(run.options().train.batch, data.size(split) / model.context);
  if (rows == 0) {
    throw Error(ErrorKind::kData, "--logits",
                str("the part '", split_name(split), "' is shorter than one window of ",
                    model.context, " symbols"));
  }
  train::Program program(run.model(), rows, Tape::Mode::kEvaluate);
  data.read(split, 0, rows * model.context, program.tokens());
  program.run(run.queue(), run.model());
  std::vector<double> bits(program.losses(), program.losses() + rows * model.context);
  for (double& value : bits) value /= std::numbers::ln2;
  const View& logits = program.logits();
  write_safetensors(path,
                    {{"tokens", "I32", {rows, model.context}, program.tokens()},
                     {"logits", logits.dtype() == DType::kF64 ? "F64" : "F32",
                      logits.shape().sizes(), logits.raw()},
                     {"bits", "F64", {rows, model.context}, bits.data()}},
                    {{"split", split_name(split)}, {"weights", run.weights_file()}});
  std::printf("wrote the logits of %s positions to %s\n", grouped(rows * model.context).c_str(),
              path.c_str());
}

void run_eval(const Parsed& parsed, const Stop& stop) {
  const Split split = split_called(parsed.text("split"));
  train::SavedRun run(parsed.text("RUN"), parsed.is_set("raw"), parsed.overrides);
  const std::unique_ptr<Dataset> data = open_dataset(train::dataset_config(run.options()));
  if (data->vocabulary() != run.model().config().vocabulary) {
    throw Error(ErrorKind::kConfig, "data.format",
                str("the data has ", data->vocabulary(), " symbols, the model ",
                    run.model().config().vocabulary));
  }
  if (parsed.is_set("logits")) return write_logits(parsed.text("logits"), run, *data, split);
  if (data->size(split) == 0) {
    throw Error(ErrorKind::kData, "data.split", str("the part '", split_name(split), "' is empty"),
                "Choose another with --split");
  }
  train::Program program(run.model(), run.options().train.batch, Tape::Mode::kEvaluate);
  const train::Evaluation result = train::evaluate(run.queue(), program, run.model(), *data, split,
                                                   parsed.whole("min-context", 0), stop);
  if (!result.complete) {
    std::fprintf(stderr, "stopped after %s positions\n", grouped(result.positions).c_str());
    return;
  }
  const std::optional<double> floor = data->floor_bits(split);
  std::printf("%.6f bits per symbol%s\n", result.bits,
              floor ? str(" (the source has ", fixed(*floor, 6), ")").c_str() : "");
  std::printf("part %s of %s\n", split_name(split), data->describe().c_str());
  std::printf("identity %s, %s positions each scored once, %s windows of %s, minimum context %s\n",
              data->identity().c_str(), grouped(result.positions).c_str(),
              grouped(result.windows).c_str(), grouped(run.model().config().context).c_str(),
              parsed.text("min-context").c_str());
  std::printf("weights %s\n", run.weights_file().c_str());
}

}  // namespace

Command make_eval_command() {
  return {.name = "eval",
          .summary = "Bits per symbol of a saved run on one part of its data",
          .positionals = {{"RUN", "", "", "folder of a run or of one of its checkpoints"}},
          .flags = {{"--split", "PART", "valid", "train, valid or test"},
                    {"--min-context", "M", "0",
                     "Score each position with at least M before it in its window"},
                    {"--raw", "", "", "Use the weights themselves, not their average"},
                    {"--logits", "FILE", "",
                     "Instead write tokens, logits and bits of the first batch as safetensors"}},
          .takes_options = true,
          .run = run_eval};
}

}  // namespace lacuna::cli
