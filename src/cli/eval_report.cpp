#include "eval_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lacuna/base/text.h"
#include "version.h"

namespace lacuna::cli {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

template <class Value>
Json json_of(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
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

}  // namespace

std::string report_text(const EvalReport& report, const Dataset& data) {
  const train::Evaluation& first = report.results.front().evaluation;
  const int64_t context = report.results.front().run->model().config().context;
  const Unit unit = data.medium().unit();
  std::vector<Row> rows{{"weights", unit.bits(), "nats in all", "step", "file"}};
  for (const auto& [weights, run, evaluation] : report.results) {
    rows.push_back({name_of(weights), fixed(evaluation.bits, 6), fixed(evaluation.nats, 3),
                    run->step() ? std::to_string(*run->step()) : "?", run->weights_file()});
  }
  const std::optional<double> floor = data.part(report.part).floor_bits();
  if (floor) rows.push_back({"the source itself", fixed(*floor, 6)});
  return str("part      ", report.part, " of ", data.describe(), "\nidentity  ", report.data,
             "\nscored    ", grouped(first.positions), " positions, each once, in ",
             grouped(first.windows), " windows of ", grouped(context), ", minimum context ",
             report.min_context, "\n\n", table(rows));
}

std::string report_json(const EvalReport& report, const Part& part) {
  const EvalResult& first = report.results.front();
  const train::Options& options = first.run->options();
  const std::string& identity = report.data;
  const size_t colon = identity.rfind(':');  // before the number of symbols
  Json weights = Json::object();
  for (const auto& [which, run, evaluation] : report.results) {
    weights[name_of(which)] = {{"bits", evaluation.bits},
                               {"nats", evaluation.nats},
                               {"step", json_of(run->step())},
                               {"file", run->weights_file()}};
  }
  const Json json{{"lacuna", version_number()},
                  {"run", report.folder},
                  {"split", report.part},
                  {"unit", first.run->medium().unit().name},
                  {"symbols_per_unit", first.run->medium().unit().symbols},
                  {"min_context", report.min_context},
                  {"context", first.run->model().config().context},
                  {"positions", first.evaluation.positions},
                  {"windows", first.evaluation.windows},
                  {"data",
                   {{"format", options.data.format},
                    {"identity", identity},
                    {"hash", identity.substr(0, colon)},
                    {"size", parse_count(identity.substr(colon + 1))},
                    {"trained_on", json_of(report.trained_data)}}},
                  {"floor_bits", json_of(part.floor_bits())},
                  {"precision", options.train.precision},
                  {"weights", weights}};
  // A path may hold any bytes, a JSON text only UTF-8.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace lacuna::cli
