#include "run_summary.h"

#include <set>

#include "lacuna/base/text.h"
#include "lacuna/data/records.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::train {

std::vector<std::string> run_summary(const Dataset& data, Trainer& trainer,
                                     const std::string& folder) {
  const nn::ModelConfig& model = trainer.model().config();
  const int64_t parameters = nn::parameter_count(nn::parameter_specs(model));
  std::vector<std::string> lines{"data    " + data.describe()};
  const std::string shorter = short_records(data, model.context);
  if (!shorter.empty()) lines.push_back("short   " + shorter);
  lines.insert(lines.end(),
               {str("model   ", grouped(parameters), " parameters, ", model.layers,
                    " layers, width ", model.width, ", ", model.heads, " heads, context ",
                    model.context, ", attention ", join(model.attention, ", ")),
                str("run     ", folder, ": ", grouped(trainer.steps_total()), " steps of ",
                    grouped(trainer.step_size().tokens), " tokens on ",
                    device_text(trainer.queue()), " in ", name_of(trainer.model().dtype())),
                "memory  " + memory_text(trainer.memory())});
  const World& world = trainer.group().world();
  if (!world.alone()) {
    lines.insert(lines.end() - 1, str("ranks   ", world.size, " processes (", world.launcher, "), ",
                                      trainer.communicator()->description(), ": each ",
                                      trainer.share().micro_batches, " x ", trainer.share().batch,
                                      " sequences a step"));
  }
  const StepPlan& plan = trainer.plan();
  if (!plan.kept.empty()) {
    lines.push_back(str("kept    of blocks ", nn::text_of(plan.kept, model.layers)));
  }
  return lines;
}

std::vector<std::string> run_warnings(const Options& options, const Trainer& trainer) {
  const nn::ModelConfig& model = trainer.model().config();
  std::vector<std::string> warnings;
  for (const std::string& pattern : std::set(model.attention.begin(), model.attention.end())) {
    if (sparse::parse_pattern(pattern)->stride() <= model.context) continue;
    warnings.push_back(str("model.attention: ", pattern, " reaches beyond model.context = ",
                           model.context, ", and there is nothing to attend to"));
  }
  const optim::Schedule plan = schedule(options, trainer.step_size());
  if (plan.warmup > plan.total) {
    warnings.push_back(str(
        "optim.warmup takes ", plan.warmup, " steps and the run ", plan.total,
        ": the learning rate never comes to optim.learning_rate = ", options.optim.learning_rate));
  }
  return warnings;
}

std::string evaluation_line(int64_t step, const EvaluationRound::Result& result, const Unit& unit) {
  const auto& [weights, evaluation, floor] = result;
  const std::string subset = evaluation.limited()
                                 ? str(", a fixed subset: ", grouped(evaluation.windows), " of ",
                                       grouped(evaluation.windows_in_part), " windows")
                                 : "";
  return str("step ", step, "  ", evaluation.part, ' ', fixed(evaluation.bits, 4), ' ', unit.bits(),
             " (", name_of(weights), " weights, ", grouped(evaluation.positions), " positions",
             subset, ", minimum context 0", floor ? ", floor " + fixed(*floor, 4) : "", ")");
}

std::string last_line(const RunFolder& folder, const RunEnd& end) {
  const bool done = end.at_end && !end.evaluation_due;
  const std::string resume = "`lacuna train " + shell_quoted(folder.config()) + " --resume auto`";
  std::string hint;
  if (end.at_end && end.evaluation_due) {
    hint = str("; the last evaluation was not finished: `lacuna eval ", shell_quoted(folder.path()),
               "` or ", resume, " makes it");
  } else if (!done && end.stopped) {
    hint = "; " + resume + " goes on";
  }
  return str(done ? "done" : "stopped", " after ", end.steps, " steps and ",
             human_seconds(end.seconds), "; weights in ", folder.path(), hint);
}

}  // namespace lacuna::train
