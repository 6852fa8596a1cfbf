// What the folder of a run tells afterwards, or while the run is at work: read only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/data/dataset.h"
#include "lacuna/train/options.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/trainer.h"

namespace lacuna::train {

/// A line of metrics.jsonl of the kind `train`. Numbers that were not finite are NaN.
struct RecordedStep {
  int64_t step = 0, tokens = 0;
  double bits = 0, tokens_per_second = 0;
  bool skipped = false;
};

/// A line of the kind `evaluation`.
struct RecordedEvaluation {
  int64_t step = 0;
  std::string split, weights;  // "valid" or "valid/NAME"; "raw" or "average"
  double bits = 0;
  int64_t positions = 0, windows = 0, windows_in_part = 0, min_context = 0;
  std::string data;  // identity

  /// Of some windows of the part alone: not to be compared with other evaluations.
  bool limited() const { return windows < windows_in_part; }
};

/// A line of starts.jsonl: a process that began to train here.
struct RecordedStart {
  int64_t step = 0;  // steps done before
  double time = 0;   // seconds since 1970
  std::string lacuna, build, compiler, cpu_code, cuda_toolkit, processor, system;
  int64_t memory_bytes = 0, threads = 0;
  int64_t parameters = 0, steps_total = 0, tokens_per_step = 0;
  std::string data, data_description;
  std::optional<double> floor_bits;  // of the validation part
};

/// A file of samples/.
struct RecordedSample {
  std::string name, text;
  bool whole = true;  // else only its beginning was read
  uint64_t size = 0;  // of the file
};

enum class RunState : uint8_t { kInProgress, kFinished, kEndedEarly, kStopped };

struct RunRecord {
  std::string folder;
  Options options;
  Unit unit;  // of all bits
  std::vector<RecordedStep> steps;
  std::vector<RecordedEvaluation> evaluations;
  std::vector<RecordedStart> starts;  // none: of a lacuna that did not record them
  std::vector<RecordedSample> samples;
  RunState state = RunState::kStopped;
  double seconds = 0;      // of training in all processes, with evaluations
  double finished_at = 0;  // when the last line was written, in seconds since 1970

  int64_t last_step() const;
  std::optional<double> floor_bits() const;
};

/// Throws Error(kData) for a folder without a run, without a line of metrics and with a damaged
/// one (a last line that is still being written is left out), and Error(kConfig) when its
/// config.toml cannot be understood; and what `between_pieces` throws, between some of the lines.
RunRecord read_run(const std::string& folder, const BetweenPieces& between_pieces = {});

/// Appends to starts.jsonl what this process has found and is going to do, `step` steps into the
/// run. `data_identity` is data.identity(). Throws Error(kIo).
void record_start(const RunFolder& folder, const Dataset& data, const std::string& data_identity,
                  Trainer& trainer);

}  // namespace lacuna::train
