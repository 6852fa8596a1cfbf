#include "eval_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lacuna/base/text.h"
#include "lacuna/train/setup.h"
#include "version.h"

namespace lacuna::cli {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

template <class Value>
Json json_of(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Whether samples are pictures, of rows, columns and channels.
bool has_places(const Medium& medium) {
  return medium.shape().size() == 3;
}

// Columns as wide as their longest entry; the first and the last stand left, numbers right.
std::string table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string gap(widths[c] - row[c].size(), ' ');
      const bool left = c == 0 || c + 1 == widths.size();
      line += (c > 0 ? "  " : "") + (left ? row[c] + gap : gap + row[c]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

// Bits of the rows or channels, a column for each set of weights.
std::string places_table(const EvalReport& report, const EvalPart& part, const std::string& what,
                         const std::vector<std::string>& names,
                         std::vector<double> ShapeBits::*bits) {
  std::vector<Row> rows{{what}};
  for (const std::string& name : names) rows.push_back({name});
  for (size_t m = 0; m < part.scores.size(); ++m) {
    rows.front().push_back(name_of(report.models[m].weights));
    const ShapeBits means = shape_bits(part.scores[m], report.run().medium());
    for (size_t i = 0; i < names.size(); ++i) rows[i + 1].push_back(fixed((means.*bits)[i], 6));
  }
  return table(rows);
}

// `first`: of the parts; what all have in common comes with it.
std::string part_text(const EvalReport& report, const EvalPart& part, const Dataset& data,
                      bool first) {
  const Medium& medium = data.medium();
  const train::Evaluation& scored = part.scores.front().evaluation;
  const train::SavedRun& run = report.run();
  std::vector<Row> rows{{"weights", medium.unit().bits(), "nats in all", "step", "file"}};
  for (size_t m = 0; m < part.scores.size(); ++m) {
    const auto& [weights, of] = report.models[m];
    const train::Evaluation& evaluation = part.scores[m].evaluation;
    rows.push_back({name_of(weights), fixed(evaluation.bits, 6), fixed(evaluation.nats, 3),
                    of->step() ? std::to_string(*of->step()) : "?", of->weights_file()});
  }
  const std::optional<double> floor = part.part->floor_bits();
  if (floor) rows.push_back({"the source itself", fixed(*floor, 6)});
  const std::string subset = scored.limited()
                                 ? str(", a subset of ", grouped(scored.windows_in_part),
                                       " drawn by train.seed = ", run.options().train.seed)
                                 : "";
  std::string text = "part      " + part.name;
  if (first) text += " of " + data.describe() + "\nidentity  " + report.data;
  text += str("\nscored    ", grouped(scored.positions), " positions, each once, in ",
              grouped(scored.windows), " windows of ", grouped(run.model().config().context),
              subset, ", minimum context ", report.min_context, "\n\n", table(rows));
  if (!has_places(medium)) return text;
  std::vector<std::string> numbers;
  for (int64_t row = 0; row < medium.shape()[0]; ++row) numbers.push_back(std::to_string(row));
  return text + '\n' +
         places_table(report, part, "channel", channel_names(medium.shape()[2]),
                      &ShapeBits::channels) +
         '\n' + places_table(report, part, "row", numbers, &ShapeBits::rows);
}

// What is known of one part.
Json part_json(const EvalReport& report, const EvalPart& part) {
  Json all = Json::object();
  for (size_t m = 0; m < part.scores.size(); ++m) {
    const auto& [weights, run] = report.models[m];
    const EvalScore& score = part.scores[m];
    Json found{{"bits", score.evaluation.bits},
               {"nats", score.evaluation.nats},
               {"step", json_of(run->step())},
               {"file", run->weights_file()}};
    if (has_places(run->medium())) {
      const ShapeBits bits = shape_bits(score, run->medium());
      found["channel_bits"] = bits.channels;
      found["row_bits"] = bits.rows;
    }
    all[name_of(weights)] = found;
  }
  const train::Evaluation& scored = part.scores.front().evaluation;
  return {{"split", part.name},
          {"positions", scored.positions},
          {"windows", scored.windows},
          {"windows_in_part", scored.windows_in_part},
          {"subset", scored.limited()},
          {"floor_bits", json_of(part.part->floor_bits())},
          {"weights", all}};
}

}  // namespace

std::string report_text(const EvalReport& report, const Dataset& data) {
  std::string text;
  for (const EvalPart& part : report.parts) {
    const bool first = text.empty();
    text += (first ? "" : "\n") + part_text(report, part, data, first);
  }
  return text;
}

std::string report_json(const EvalReport& report) {
  const train::SavedRun& run = report.run();
  const Unit unit = run.medium().unit();
  const std::string& identity = report.data;
  const size_t colon = identity.rfind(':');  // before the number of symbols
  Json json{{"lacuna", version_number()},
            {"run", report.folder},
            {"split", report.split},
            {"unit", unit.name},
            {"symbols_per_unit", unit.symbols},
            {"min_context", report.min_context},
            {"context", run.model().config().context},
            {"data",
             {{"format", run.options().data.format},
              {"identity", identity},
              {"hash", identity.substr(0, colon)},
              {"size", parse_count(identity.substr(colon + 1))},
              {"trained_on", json_of(report.trained_data)}}},
            {"precision", train::precision(run.options())}};
  if (report.several) {
    for (const EvalPart& part : report.parts) json["parts"].push_back(part_json(report, part));
  } else {
    json.update(part_json(report, report.parts.front()));
  }
  // A path may hold any bytes, a JSON text only UTF-8.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace lacuna::cli
