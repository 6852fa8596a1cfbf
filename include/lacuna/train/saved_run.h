// A run that was saved: its options, its model and one set of its weights, read back for evaluation
// and sampling.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lacuna/base/files.h"
#include "lacuna/train/program.h"
#include "lacuna/train/run_memory.h"
#include "lacuna/train/setup.h"

namespace lacuna::train {

/// Whether the folder of a run or of a checkpoint has averaged weights.
bool has_average(const std::string& folder);

/// The weights in the folder of a run or of a checkpoint: the averaged ones where there are some
/// and `raw` is false. A checkpoint is verified first. Throws Error(kData) and what
/// `between_pieces` throws.
std::string weights_in(const std::string& folder, bool raw,
                       const BetweenPieces& between_pieces = {});

/// After which step the weights in a file were taken, where it says so. Throws Error(kData).
std::optional<int64_t> step_of_weights(const std::string& file);

/// Identity of the data that the run or checkpoint in a folder was trained on, where it tells.
std::optional<std::string> trained_data(const std::string& folder);

/// What a saved run is loaded for, as far as memory.budget has to know beforehand.
struct SavedWork {
  int64_t sets = 1;          // of weights that are held together
  ModelUse use;              // of each
  std::string batch_option;  // what bounds the sequences at work at once
  int64_t batch = 0;         // that many; 0: train.batch
  /// What the work on so many holds besides weights. The model has no memory.
  std::function<MemoryUse(const nn::Transformer& model, int64_t batch)> memory;
};

class SavedRun {
 public:
  /// Reads the averaged weights where the run has them and `raw` is false. Throws Error(kData) and
  /// Error(kConfig) when the folder holds no such run, and what `between_pieces` throws. Before any
  /// weights are there it throws as check_budget() does where memory.budget has no room for `work`.
  SavedRun(const std::string& folder, bool raw, const std::vector<Override>& overrides,
           const BetweenPieces& between_pieces = {}, const std::optional<SavedWork>& work = {});

  const Options& options() const { return options_; }
  /// What the model's symbols mean.
  const Medium& medium() const { return *medium_; }
  const nn::Transformer& model() const { return *model_; }
  const std::string& weights_file() const { return weights_file_; }
  /// After which the weights were taken, where their file says so.
  std::optional<int64_t> step() const { return step_; }
  Queue& queue() { return queue_; }
  /// Evaluates the model on `batch` sequences at once.
  Program program(int64_t batch) const;

 private:
  void check_room(const nn::ModelConfig& config, const SavedWork& work) const;

  Options options_;
  Queue queue_;
  std::string weights_file_;
  std::optional<int64_t> step_;
  std::unique_ptr<Medium> medium_;
  std::unique_ptr<nn::ParameterStore> parameters_;
  std::unique_ptr<nn::Transformer> model_;
};

}  // namespace lacuna::train
