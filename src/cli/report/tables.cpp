#include <algorithm>
#include <cmath>
#include <functional>

#include "chart.h"
#include "html.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/curves.h"
#include "page.h"

namespace lacuna::cli {
namespace {

using train::RecordedEvaluation;
using train::RunRecord;

const std::string kUnknown = "\u2013";

std::vector<std::string> head_of(const std::vector<RunRecord>& runs, const std::string& first) {
  std::vector<std::string> head{first};
  for (const RunRecord& run : runs) head.push_back(run.folder);
  return head;
}

std::string bits_text(double bits) {
  return std::isfinite(bits) ? fixed(bits, 4) : "not finite";
}

std::string steps_text(const RunRecord& run) {
  const std::string done = grouped(run.last_step());
  if (run.starts.empty()) return done;
  return done + " of " + grouped(run.starts.back().steps_total);
}

std::string training_text(const RunRecord& run) {
  std::vector<double> bits;
  for (const auto& step : run.steps) bits.push_back(step.bits);
  return bits.empty() ? kUnknown : bits_text(smoothed(bits, smoothing_span(bits.size())).back());
}

std::string evaluation_text(const RecordedEvaluation* evaluation) {
  return evaluation == nullptr ? kUnknown : bits_text(evaluation->bits) + subset_text(*evaluation);
}

std::string evaluation_text(const RunRecord& run, const char* weights) {
  return evaluation_text(last_evaluation(run, judging_set(run), weights));
}

bool is_one_series(const RecordedEvaluation& a, const RecordedEvaluation& b) {
  return a.split == b.split && a.weights == b.weights;
}

// Of those that are on the same windows: where evaluations on the way look at a subset, the last
// ones of that size.
const RecordedEvaluation* best_evaluation(const RunRecord& run) {
  const RecordedEvaluation* like = last_evaluation(run);
  if (like == nullptr) return nullptr;
  for (const RecordedEvaluation& evaluation : run.evaluations) {
    if (is_one_series(evaluation, *like) && evaluation.limited()) like = &evaluation;
  }
  const RecordedEvaluation* best = nullptr;
  for (const RecordedEvaluation& evaluation : run.evaluations) {
    if (!is_one_series(evaluation, *like) || evaluation.windows != like->windows) continue;
    if (!std::isfinite(evaluation.bits)) continue;
    if (best == nullptr || evaluation.bits < best->bits) best = &evaluation;
  }
  return best;
}

// Of the raw weights, which the average begins with.
std::string untrained_text(const RunRecord& run) {
  for (const RecordedEvaluation& evaluation : run.evaluations) {
    if (evaluation.step == 0 && evaluation.split == judging_set(run)) {
      return evaluation_text(&evaluation);
    }
  }
  return kUnknown;
}

std::string named_set_text(const RunRecord& run) {
  const std::string set = judging_set(run);
  return set.empty() || set == "valid" ? kUnknown : set;
}

std::string best_text(const RunRecord& run) {
  const RecordedEvaluation* best = best_evaluation(run);
  if (best == nullptr) return kUnknown;
  return str(fixed(best->bits, 4), " at step ", grouped(best->step), subset_text(*best));
}

std::string floor_text(const RunRecord& run) {
  return run.floor_bits() ? fixed(*run.floor_bits(), 4) : kUnknown;
}

std::string above_floor_text(const RunRecord& run) {
  const RecordedEvaluation* last = last_evaluation(run);
  if (last == nullptr || !run.floor_bits()) return kUnknown;
  return bits_text(last->bits - *run.floor_bits());
}

std::string speed_text(const RunRecord& run) {
  std::vector<double> speeds;
  for (const auto& step : run.steps) {
    if (std::isfinite(step.tokens_per_second)) speeds.push_back(step.tokens_per_second);
  }
  if (speeds.empty()) return kUnknown;
  const auto middle = speeds.begin() + static_cast<int64_t>(speeds.size() / 2);
  std::nth_element(speeds.begin(), middle, speeds.end());
  return grouped(std::llround(*middle));
}

std::string skipped_text(const RunRecord& run) {
  return grouped(std::count_if(run.steps.begin(), run.steps.end(),
                               [](const auto& step) { return step.skipped; }));
}

std::string positions_text(const RunRecord& run) {
  const RecordedEvaluation* last = last_evaluation(run);
  return last == nullptr ? kUnknown
                         : str(grouped(last->positions), ", minimum context ", last->min_context);
}

struct ResultRow {
  const char* name;
  std::string (*text)(const RunRecord& run);
};

constexpr ResultRow kScoreRows[] = {
    {"state", [](const RunRecord& run) { return std::string(state_text(run.state)); }},
    {"validation set", named_set_text},
    {"validation bits, averaged weights",
     [](const RunRecord& run) { return evaluation_text(run, "average"); }},
    {"validation bits, raw weights",
     [](const RunRecord& run) { return evaluation_text(run, "raw"); }},
    {"best validation bits", best_text},
    {"validation bits before the first step", untrained_text}};

constexpr ResultRow kOtherRows[] = {
    {"floor of the source, bits", floor_text},
    {"bits above the floor", above_floor_text},
    {"training bits, smoothed", training_text},
    {"steps", steps_text},
    {"tokens",
     [](const RunRecord& run) {
       return run.steps.empty() ? kUnknown : grouped(run.steps.back().tokens);
     }},
    {"parameters",
     [](const RunRecord& run) {
       return run.starts.empty() ? kUnknown : grouped(run.starts.back().parameters);
     }},
    {"time (h:mm:ss or m:ss)", [](const RunRecord& run) { return human_seconds(run.seconds); }},
    {"tokens per second, median", speed_text},
    {"skipped steps", skipped_text},
    {"positions validated", positions_text},
    {"data",
     [](const RunRecord& run) {
       return run.starts.empty() ? kUnknown : run.starts.back().data_description;
     }},
    {"identity of the data",
     [](const RunRecord& run) { return data_of(run).empty() ? kUnknown : data_of(run); }}};

// Rows of which no run knows anything are left out.
void add_row(HtmlTable& table, const std::vector<RunRecord>& runs, const std::string& name,
             const std::function<std::string(const RunRecord& run)>& text) {
  std::vector<HtmlCell> cells;
  for (const RunRecord& run : runs) cells.push_back({text(run)});
  const bool known = std::any_of(cells.begin(), cells.end(),
                                 [](const HtmlCell& cell) { return cell.text != kUnknown; });
  if (known) table.add_row({name}, cells);
}

bool have_one_unit(const std::vector<RunRecord>& runs) {
  return std::all_of(runs.begin(), runs.end(), [&](const RunRecord& run) {
    return run.unit.bits() == runs.front().unit.bits();
  });
}

const train::OptionEntry* find_entry(const std::vector<train::OptionEntry>& table,
                                     const std::string& name) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const auto& entry) { return entry.name == name; });
  return found == table.end() ? nullptr : &*found;
}

// Each name that one of the tables has: what only a later one has is an option of a format and
// stands behind the others of the data.
std::vector<train::OptionEntry> merged(const std::vector<std::vector<train::OptionEntry>>& tables) {
  std::vector<train::OptionEntry> all = tables.front();
  for (const auto& table : tables) {
    for (const train::OptionEntry& entry : table) {
      if (find_entry(all, entry.name) != nullptr) continue;
      const auto last = std::find_if(all.rbegin(), all.rend(), [](const auto& other) {
        return other.name.starts_with("data.");
      });
      all.insert(last.base(), entry);
    }
  }
  return all;
}

// The validation sets that do not judge a run.
std::vector<std::string> other_sets(const std::vector<RunRecord>& runs) {
  std::vector<std::string> sets;
  for (const RunRecord& run : runs) {
    const std::string judging = judging_set(run);
    for (const RecordedEvaluation& evaluation : run.evaluations) {
      const bool known = std::find(sets.begin(), sets.end(), evaluation.split) != sets.end();
      if (evaluation.split != judging && !known) sets.push_back(evaluation.split);
    }
  }
  return sets;
}

}  // namespace

// A round of evaluations begins with it.
std::string judging_set(const RunRecord& run) {
  for (const RecordedEvaluation& evaluation : run.evaluations) {
    if (evaluation.step == run.evaluations.back().step) return evaluation.split;
  }
  return "";
}

std::string set_text(const std::string& set) {
  return set == "valid" ? "the validation part" : set;
}

std::string subset_text(const RecordedEvaluation& evaluation) {
  if (!evaluation.limited()) return "";
  return str(", a subset of ", grouped(evaluation.windows), " of ",
             grouped(evaluation.windows_in_part), " windows");
}

const RecordedEvaluation* last_evaluation(const RunRecord& run, const std::string& set,
                                          const std::string& weights) {
  const RecordedEvaluation* last = nullptr;
  for (const RecordedEvaluation& evaluation : run.evaluations) {
    if (evaluation.split == set && evaluation.weights == weights) last = &evaluation;
  }
  return last;
}

std::string unit_text(const std::vector<RunRecord>& runs) {
  return have_one_unit(runs) ? runs.front().unit.bits() : "bits";
}

const RecordedEvaluation* last_evaluation(const RunRecord& run) {
  const std::string set = judging_set(run);
  const RecordedEvaluation* average = last_evaluation(run, set, "average");
  return average != nullptr ? average : last_evaluation(run, set, "raw");
}

const char* state_text(train::RunState state) {
  switch (state) {
    case train::RunState::kInProgress:
      return "in progress";
    case train::RunState::kFinished:
      return "finished";
    case train::RunState::kEndedEarly:
      return "ended early";
    case train::RunState::kStopped:
      return "stopped";
  }
  return "unknown";
}

std::string data_of(const RunRecord& run) {
  if (!run.starts.empty()) return run.starts.back().data;
  return run.evaluations.empty() ? "" : run.evaluations.back().data;
}

std::string results_table(const std::vector<RunRecord>& runs) {
  HtmlTable table(head_of(runs, ""));
  if (!have_one_unit(runs)) {
    add_row(table, runs, "unit", [](const RunRecord& run) { return run.unit.bits(); });
  }
  for (const auto& [name, text] : kScoreRows) add_row(table, runs, name, text);
  for (const std::string& set : other_sets(runs)) {
    for (const char* weights : {"average", "raw"}) {
      add_row(table, runs,
              str(set, ": bits, ", weights == std::string("raw") ? "raw" : "averaged", " weights"),
              [&](const RunRecord& run) {
                if (set == judging_set(run)) return std::string("as above");
                return evaluation_text(last_evaluation(run, set, weights));
              });
    }
  }
  for (const auto& [name, text] : kOtherRows) add_row(table, runs, name, text);
  return table.text();
}

std::string options_tables(const std::vector<RunRecord>& runs) {
  const bool several = runs.size() > 1;
  train::Options defaults;  // only of one run
  if (!several) set_optimizer_defaults(defaults, runs.front().options.optim.name);
  HtmlTable first(head_of(runs, "option"), true), all(head_of(runs, "option"), true);
  bool any = false;
  std::vector<std::vector<train::OptionEntry>> tables;  // of the runs
  for (const RunRecord& run : runs) tables.push_back(train::option_table(run.options));
  for (const train::OptionEntry& entry : merged(tables)) {
    std::vector<HtmlCell> cells;
    bool differs = false;
    for (size_t r = 0; r < runs.size(); ++r) {
      const train::OptionEntry* own = find_entry(tables[r], entry.name);
      cells.push_back({own != nullptr ? option_text(*own, runs[r].options) : kUnknown});
      differs = differs ||
                cells.back().text != (several ? cells.front().text : option_text(entry, defaults));
    }
    all.add_row({entry.name, false, entry.help}, cells);
    if (!differs || entry.name == "train.run") continue;  // that is what the columns are called
    first.add_row({entry.name, false, entry.help}, cells);
    any = true;
  }
  const std::string heading =
      several ? "Options in which the runs differ:" : "Options that are not at their defaults:";
  const std::string none =
      several ? "The runs have the same options." : "All options are at their defaults.";
  return html_element("p", any ? heading : none) + (any ? first.text() : "") +
         html_folded("All options", all.text());
}

std::string environment_table(const std::vector<RunRecord>& runs) {
  HtmlTable table({"run", "started", "lacuna", "machine", "system"});
  bool any = false;
  for (const RunRecord& run : runs) {
    for (const train::RecordedStart& start : run.starts) {
      any = true;
      const std::string cuda =
          start.cuda_toolkit.empty() ? "without CUDA" : "CUDA " + start.cuda_toolkit;
      const std::string processor = start.processor.empty() ? "unknown processor" : start.processor;
      table.add_row(
          {run.folder},
          {{date_text(start.time) + (start.step > 0 ? ", after step " + grouped(start.step) : "")},
           {str(start.lacuna, ", ", start.build, ", ", start.compiler, ", CPU code for ",
                start.cpu_code, ", ", cuda)},
           {str(processor, ", ", start.threads, start.threads == 1 ? " thread" : " threads", ", ",
                human_bytes(static_cast<uint64_t>(start.memory_bytes)))},
           {start.system}});
    }
  }
  return any ? table.text() : html_element("p", "The runs are of a lacuna that did not record it.");
}

}  // namespace lacuna::cli
