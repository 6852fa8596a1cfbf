// The scores of single samples: of a record, a window, a place in a picture.
#include <algorithm>
#include <numbers>

#include "eval_report.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"

namespace lacuna::cli {
namespace {

// As RFC 4180 has it: in quotes where it must be.
std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

// One row: what was scored, and its bits by each set of weights that came so far.
std::string row_text(const EvalReport& report, const EvalPart& part, size_t row, bool json) {
  const train::SampleScore& sample = part.scores.front().by_sample.samples[row];
  const std::string source = part.part->record_name(record_at(*part.part, sample.first));
  JsonLine line;
  line.add("part", part.name)
      .add("number", sample.number)
      .add("source", source)
      .add("first", sample.first)
      .add("positions", sample.positions);
  std::string text = str(csv_text(part.name), ',', sample.number, ',', csv_text(source), ',',
                         sample.first, ',', sample.positions);
  const auto symbols = static_cast<double>(report.run().medium().unit().symbols);
  for (size_t m = 0; m < report.models.size(); ++m) {
    if (m >= part.scores.size()) {
      text += ",,";
      continue;
    }
    const double bits = part.scores[m].by_sample.samples[row].nats / std::numbers::ln2;
    const double mean = bits / static_cast<double>(sample.positions) * symbols;
    const std::string name = name_of(report.models[m].weights);
    line.add(name + "_bits", bits).add(name + "_bits_per_unit", mean);
    text += ',' + exact(bits) + ',' + exact(mean);
  }
  return (json ? line.text() : text) + '\n';
}

}  // namespace

std::string samples_text(const EvalReport& report, bool json) {
  std::string text = json ? "" : "part,number,source,first,positions";
  for (const EvalModel& model : report.models) {
    const std::string name = name_of(model.weights);
    if (!json) text += ',' + name + "_bits," + name + "_bits_per_unit";
  }
  if (!json) text += '\n';
  for (const EvalPart& part : report.parts) {
    for (size_t row = 0; row < part.scores.front().by_sample.samples.size(); ++row) {
      text += row_text(report, part, row, json);
    }
  }
  return text;
}

ShapeBits shape_bits(const EvalScore& score, const Medium& medium) {
  const std::vector<int64_t> shape = medium.shape();
  const auto rows = static_cast<size_t>(shape[0]), columns = static_cast<size_t>(shape[1]),
             channels = static_cast<size_t>(shape[2]);
  ShapeBits bits{.channels = std::vector<double>(channels),
                 .rows = std::vector<double>(rows),
                 .pixels = std::vector<double>(rows * columns),
                 .row_channels = std::vector<double>(rows * channels)};
  // A score's share in the mean over one place of all samples.
  const double share = static_cast<double>(medium.unit().symbols) / std::numbers::ln2 /
                       static_cast<double>(score.evaluation.windows);
  const auto count = [](size_t value) { return static_cast<double>(value); };
  for (size_t place = 0; place < score.by_sample.place_nats.size(); ++place) {
    const size_t pixel = place / channels, row = pixel / columns, channel = place % channels;
    const double mean = score.by_sample.place_nats[place] * share;
    bits.channels[channel] += mean / count(rows * columns);
    bits.rows[row] += mean / count(columns * channels);
    bits.pixels[pixel] += mean / count(channels);
    bits.row_channels[row * channels + channel] += mean / count(columns);
  }
  return bits;
}

std::vector<std::string> channel_names(int64_t channels) {
  if (channels == 1) return {"grey"};
  if (channels == 3) return {"red", "green", "blue"};
  std::vector<std::string> names;
  for (int64_t c = 0; c < channels; ++c) names.push_back(std::to_string(c));
  return names;
}

}  // namespace lacuna::cli
