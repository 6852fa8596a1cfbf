// Training without files or a terminal: a model, its data and its optimizer, advanced step by step.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lacuna/train/checkpoint.h"
#include "lacuna/train/evaluator.h"
#include "lacuna/train/setup.h"

namespace lacuna::train {

struct StepResult {
  int64_t step = 0;          // from 1: batches consumed
  double bits = 0;           // mean over the step's tokens, before the update
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;  // scheduled
  bool skipped = false;      // the loss or a gradient was not finite: nothing was updated
};

enum class Weights : uint8_t { kRaw, kAverage };
const char* name_of(Weights weights);

class Trainer {
 public:
  /// Plans all memory, takes that of parameters and optimizer and draws the initial values. `data`
  /// must outlive the trainer. Throws Error(kConfig) and Error(kData).
  Trainer(const Options& options, const Dataset& data);

  /// Consumes the next batch.
  StepResult step();
  int64_t steps_done() const { return steps_; }
  int64_t steps_total() const { return schedule_.total; }
  int64_t steps_skipped() const { return steps_ - updates_; }
  const StepSize& step_size() const { return step_size_; }

  bool has_average() const { return averages_.has_value(); }
  Evaluation evaluate(Split split, Weights weights, const std::function<bool()>& stop);

  /// Copies everything that the next steps depend on, but `data` and `config`. A snapshot that this
  /// trainer has filled before is filled again in place, which takes a fraction of the time: fresh
  /// memory costs more than the copy.
  void copy_to(Snapshot& snapshot);
  /// Goes on as the trainer that the checkpoint was taken of; it has been verified. Throws
  /// Error(kData).
  void restore(const std::string& checkpoint);
  /// Starts from the weights in a file instead of the drawn ones. Throws Error(kData).
  void start_from(const std::string& weights_file);

  /// With Weights::kAverage: only when has_average().
  const nn::ParameterStore& weights(Weights which) const;
  const nn::Transformer& model() const { return model_; }
  Queue& queue() { return queue_; }
  /// All tensors that training and evaluation will hold, by tag.
  MemoryUse memory() const;

 private:
  const Options options_;
  const Dataset& data_;
  Queue queue_;
  nn::ModelConfig config_;
  nn::ParameterStore parameters_;
  nn::Transformer model_;
  std::optional<nn::ParameterStore> averages_;
  std::optional<nn::Transformer> average_model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  StepSize step_size_;
  optim::Schedule schedule_;
  SampleOrder order_;
  Program training_;
  Program evaluation_;
  int64_t steps_ = 0;
  int64_t updates_ = 0;
};

}  // namespace lacuna::train
