#include "lacuna/train/run_metrics.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

using Json = nlohmann::json;

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// A number that was not finite is null in metrics.jsonl and no point in TensorBoard.
void add_number(std::vector<Scalar>& scalars, const std::string& tag, const Json& value) {
  if (value.is_number()) scalars.push_back({tag, value.get<double>()});
}

// Everything in the event file but the configuration comes through here, from a line of
// metrics.jsonl: so the file of a resumed run can be made anew from the lines that are kept.
void show(EventFile& events, const Json& line) {
  const std::string& kind = line.at("kind").get_ref<const std::string&>();
  const int64_t step = line.at("step");
  const double time = line.at("time");
  std::vector<Scalar> scalars;
  if (kind == "train") {
    for (const char* key : {"bits", "gradient_norm", "learning_rate", "tokens_per_second"}) {
      add_number(scalars, str("train/", key), line.at(key));
    }
  } else if (kind == "evaluation") {
    const std::string split = line.at("split"), weights = line.at("weights");
    // Of a subset a curve of its own: its bits are not those of the whole.
    const int64_t windows = line.at("windows");
    const bool limited = windows < line.value("windows_in_part", windows);
    const std::string tag = split + "/bits_" + weights + (limited ? "_of_subset" : "");
    add_number(scalars, tag, line.at("bits"));
  } else {
    events.add_text(step, time, kind, line.dump());
  }
  events.add_scalars(step, time, scalars);
}

}  // namespace

RunMetrics::RunMetrics(const RunFolder& folder, std::chrono::steady_clock::time_point start)
    : start_(start), lines_(folder.metrics()), events_(folder.new_event_file(), unix_time()) {
  events_.add_text(0, unix_time(), "config", "```\n" + read_text(folder.config()) + "```\n");
  std::istringstream before(read_text(folder.metrics()));
  for (std::string line; std::getline(before, line);) {
    try {
      const Json metrics = Json::parse(line);
      show(events_, metrics);
      if (metrics.at("kind") == "train" && metrics.at("bits").is_number()) {
        loss_.add(metrics.at("bits"));
      }
    } catch (const Json::exception&) {  // written by an older lacuna or by others
    }
  }
}

void RunMetrics::add_step(const StepResult& result, int64_t tokens, double tokens_per_second) {
  loss_.add(result.bits);
  JsonLine line;
  line.add("kind", "train")
      .add("step", result.step)
      .add("tokens", tokens)
      .add("bits", result.bits)
      .add("gradient_norm", result.gradient_norm)
      .add("learning_rate", result.learning_rate)
      .add("skipped", result.skipped)
      .add("tokens_per_second", tokens_per_second);
  if (result.loss_scale != 1) line.add("loss_scale", result.loss_scale);
  record(line);
}

void RunMetrics::add_evaluation(int64_t step, Weights weights, const Evaluation& result,
                                const Unit& unit, const std::string& data) {
  record(JsonLine()
             .add("kind", "evaluation")
             .add("step", step)
             .add("split", result.part)
             .add("weights", name_of(weights))
             .add("bits", result.bits)
             .add("unit", unit.name)
             .add("positions", result.positions)
             .add("windows", result.windows)
             .add("windows_in_part", result.windows_in_part)
             .add("min_context", 0)
             .add("data", data));
}

void RunMetrics::add_early_stop(int64_t step, int64_t evaluations, double best_bits) {
  record(JsonLine()
             .add("kind", "early_stop")
             .add("step", step)
             .add("evaluations", evaluations)
             .add("best_bits", best_bits));
}

double RunMetrics::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void RunMetrics::record(JsonLine& line) {
  line.add("seconds", seconds()).add("time", unix_time());
  try {
    lines_.append(line);
    show(events_, Json::parse(line.text()));
  } catch (const Error& failure) {
    if (failure_.empty()) log_warning(str("metrics are lost: ", failure.what()));
    failure_ = failure.what();
  }
}

}  // namespace lacuna::train
