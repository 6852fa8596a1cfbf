// What `lacuna eval` has found: as text for people, as JSON for programs, a row for each sample,
// and a picture of where in pictures the bits are (docs/metrics.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/io/drawing.h"
#include "lacuna/train/sample_scores.h"
#include "lacuna/train/saved_run.h"
#include "lacuna/train/trainer.h"

namespace lacuna::cli {

/// One set of the weights of a run.
struct EvalModel {
  train::Weights weights;
  std::unique_ptr<train::SavedRun> run;
};

struct EvalScore {
  train::Evaluation evaluation;
  train::SampleScores by_sample;
};

struct EvalPart {
  std::string name;
  const Part* part;
  std::vector<EvalScore> scores;  // of the models in their order; fewer when it was stopped
};

struct EvalReport {
  std::string folder;  // of the run or checkpoint
  std::string split;   // as asked for
  bool several;        // whether that means several parts, also when it was stopped before
  int64_t min_context;
  std::vector<EvalModel> models;            // of one run, on the same windows
  std::vector<EvalPart> parts;              // with one score or more each
  std::string data;                         // identity
  std::optional<std::string> trained_data;  // identity, where it is known

  const train::SavedRun& run() const { return *models.front().run; }
};

/// There is at least one part.
std::string report_text(const EvalReport& report, const Dataset& data);
std::string report_json(const EvalReport& report);
/// A line for each sample: JSON objects, or comma-separated values under a heading.
std::string samples_text(const EvalReport& report, bool json);

/// Means over groups of places, in bits per unit. The score is of samples with this shape.
struct ShapeBits {
  std::vector<double> channels, rows, pixels;
  std::vector<double> row_channels;  // of each row, channel by channel
};
ShapeBits shape_bits(const EvalScore& score, const Medium& medium);
/// "red", "green", "blue"; "grey" of one, numbers of other counts.
std::vector<std::string> channel_names(int64_t channels);
/// For each part, by its last model: a map of the mean bits of each pixel beside curves over rows.
Drawing draw_places(const EvalReport& report);

}  // namespace lacuna::cli
