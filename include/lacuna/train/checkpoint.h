// Checkpoints: everything that a run needs to go on as if it had never stopped.
//
// A checkpoint is a folder checkpoints/step-N of the run: config.toml, weights.safetensors,
// optimizer.safetensors, average.safetensors (with weight averaging), state.json, and manifest.json
// with the size and XXH3 checksum of every file and of itself, and the facts below. It is written
// under another name, flushed to the disk and renamed, so step-N is complete or does not exist.
#pragma once

#include <future>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/base/files.h"
#include "lacuna/base/pacer.h"
#include "lacuna/nn/parameters.h"

namespace lacuna::train {

/// What a run knows besides its buffers.
struct TrainingState {
  int64_t step = 0;                 // batches consumed
  int64_t updates = 0;              // of them not skipped
  double loss_scale = 1;            // of f16
  int64_t good_steps = 0;           // in a row since the loss scale changed
  std::optional<double> best_bits;  // of the validation part so far
  int64_t since_best = 0;           // evaluations after the best one
  bool evaluation_due = false;      // the evaluation at this step was stopped
  std::string data;                 // Dataset::identity()
};

/// Where a run is in its data.
struct DataPlace {
  int64_t stage = 0;   // of the training, from 0; there is one
  int64_t index = 0;   // samples of that stage that have been consumed
  int64_t tokens = 0;  // consumed by the whole run

  bool operator==(const DataPlace&) const = default;
};

/// Elements [begin, end) of the flat buffers, whose moments are in `file`.
struct StateRange {
  std::string file;
  int64_t begin = 0, end = 0;
};

/// What a manifest says besides the list of files.
struct CheckpointFacts {
  std::vector<std::string> required;  // the files without which no run can go on
  DType moments = DType::kF32;        // what they are stored in
  std::vector<StateRange> ranges;     // from 0 on, each where the last one ended
  DataPlace place;
};

/// Copies of a run's buffers at one step.
struct Snapshot {
  TrainingState state;
  DataPlace place;
  std::string config;  // TOML
  std::vector<nn::ParameterSlice> slices;
  int64_t used = 0;  // elements of the flat buffers that slices may lie in
  Tensor weights;
  Tensor average;                                         // may be absent
  std::vector<std::pair<std::string, Tensor>> optimizer;  // by name
  bool best = false;  // on the validation part, at this very step
};

struct Retention {
  int64_t last = 2;   // newest that are kept
  int64_t every = 0;  // steps; 0: none for this reason
};

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::string path) : path_(std::move(path)) {}

  /// Writes a checkpoint, reads it back and verifies it, then removes what `retention` does not
  /// keep. Throws Error(kIo) and leaves the older ones as they are when anything fails.
  void write(const Snapshot& snapshot, const Retention& retention,
             const BetweenPieces& between_pieces = {}) const;

  /// Removes the checkpoints after `step`, which a run that goes on from `step` will write again,
  /// and what killed processes left, also of those that `retention` does not keep.
  void discard_after(int64_t step, const Retention& retention) const;

  /// Removes all checkpoints, whole or half, and nothing else that the folder holds. Throws
  /// Error(kIo).
  void clear() const;

  /// Steps of all checkpoints, ascending.
  std::vector<int64_t> steps() const;
  /// The newest one that verifies; empty when there is none. Says which ones it passed over. Throws
  /// Error(kConfig) for one that another version of lacuna has written.
  std::string newest_complete() const;
  std::string at(int64_t step) const;
  /// Returns the step of the best one on the validation part, where that is known.
  std::optional<int64_t> best_step() const;

 private:
  void prune(const Retention& retention) const;
  void remove_halves() const;

  std::string path_;
};

/// Throws Error(kData), naming the file, unless every file of the checkpoint is there, whole and as
/// its manifest says; Error(kConfig) when it is of another version.
void verify_checkpoint(const std::string& path, const BetweenPieces& between_pieces = {});
/// The state of a checkpoint that has been verified. Throws like verify_checkpoint().
TrainingState read_state(const std::string& path);
/// What the manifest of such a checkpoint says; nothing for one of version 1, which says nothing.
/// Throws like verify_checkpoint().
std::optional<CheckpointFacts> read_facts(const std::string& path);

/// Writes checkpoints in the background, one at a time, at the pace of a Pacer; quickly once it is
/// waited for. Where no thread can be made, in the foreground.
class CheckpointWriter {
 public:
  CheckpointWriter(CheckpointFolder folder, Retention retention)
      : folder_(std::move(folder)), retention_(retention) {}
  ~CheckpointWriter();

  /// What is to be written next, to be filled; the buffers of the last one are still there. Waits
  /// for the one under way, so that there is one copy at a time.
  Snapshot& next();
  /// Starts to write next(). A failure is kept and reported as a warning.
  void start();
  /// Waits for the one under way.
  void wait();
  /// Says why the last checkpoint could not be written, if none was written after it.
  const std::string& failure() const { return failure_; }

 private:
  CheckpointFolder folder_;
  Retention retention_;
  std::optional<Pacer> pacer_;
  Snapshot snapshot_;  // the writing thread's as long as one is under way
  std::future<std::string> under_way_;
  std::string failure_;
  bool in_foreground_ = false;  // it has been said that no thread could be made
};

}  // namespace lacuna::train
