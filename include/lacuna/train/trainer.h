// Training without files or a terminal: a model, its data and its optimizer, advanced step by step.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lacuna/comm/communicator.h"
#include "lacuna/train/checkpoint.h"
#include "lacuna/train/evaluator.h"
#include "lacuna/train/keep_search.h"
#include "lacuna/train/run_memory.h"
#include "lacuna/train/sampler.h"
#include "lacuna/train/setup.h"
#include "lacuna/train/share.h"

namespace lacuna::train {

struct StepResult {
  int64_t step = 0;          // from 1: batches consumed
  double bits = 0;           // mean over the units of the step's tokens, before the update
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;  // scheduled
  double loss_scale = 1;     // after the step
  bool skipped = false;      // the loss or a gradient was not finite: nothing was updated
  bool stop = false;         // before the step some rank wanted to stop
};

enum class Weights : uint8_t { kRaw, kAverage };
const char* name_of(Weights weights);

class GradientSum;

class Trainer {
 public:
  /// Plans all memory, takes that of parameters and optimizer and draws the initial values; what
  /// the first step, evaluation or sample takes serves all of them. `data` must outlive the
  /// trainer. Throws Error(kConfig) and Error(kData).
  Trainer(const Options& options, const Dataset& data);
  /// One of the ranks that train together. Whatever is said of all ranks below, each does at the
  /// same time.
  Trainer(const Options& options, const Dataset& data, std::shared_ptr<Group> group);
  ~Trainer();

  /// Consumes the next batch: begins its work, which a GPU goes on with while the host does other
  /// things. At most `steps_ahead` steps may be unfinished. All ranks share the step and hear with
  /// its result whether one of them wants to stop.
  void begin_step(bool wants_to_stop = false);
  /// The result of the oldest unfinished step; waits for it.
  StepResult finish_step();
  int64_t unfinished() const { return static_cast<int64_t>(reports_.size()); }
  /// How many steps to have begun before the first result is read: 1 on a GPU, so that it never
  /// waits for the host, 0 on the CPU.
  int64_t steps_ahead() const { return queue_.on_gpu() ? 1 : 0; }
  /// A step from beginning to end, when none is unfinished.
  StepResult step();
  /// The last place that the device has come to, also when it has failed. Any thread may ask.
  StepProgress progress() const;

  /// Finished ones. Everything below is to be called when none is unfinished.
  int64_t steps_done() const { return steps_; }
  int64_t steps_total() const { return schedule_.total; }
  int64_t steps_skipped() const { return steps_ - updates_; }
  const StepSize& step_size() const { return step_size_; }
  /// Of a step, on this rank; these two never change.
  int64_t micro_batches() const { return share_.micro_batches; }

  bool has_average() const { return averages_.has_value(); }
  /// Of at most `limit` windows of a validation set, spread over it; 0: all. All ranks share the
  /// windows and have the same result; once one is stopped, it is complete for none.
  Evaluation evaluate(const ValidationSet& set, Weights weights, int64_t limit,
                      const std::function<bool()>& stop, const Counted& counted = {});

  /// Draws the samples of the run (sample_config()), of several ranks its share of them, from the
  /// averaged weights as they are now, where there are some. Only where has_sampler().
  Sampler& sampler();
  /// Whether options.train.sample_every says that there are samples, some of them this rank's.
  bool has_sampler() const { return sampler_.has_value(); }

  /// Before the averaged weights are looked at otherwise than by evaluate(): all ranks bring those
  /// together that each has updated a part of.
  void gather_averages();
  /// Copies everything that the next steps depend on, but `data` and `config`; all ranks call it,
  /// those that want no copy with null. A snapshot that this
  /// trainer has filled before is filled again in place, which takes a fraction of the time: fresh
  /// memory costs more than the copy.
  void copy_to(Snapshot* snapshot);
  /// Goes on as the trainer that the checkpoint was taken of; it has been verified. Of several
  /// ranks the first does, and then all take_state_of_first(). Throws Error(kData).
  void restore(const std::string& checkpoint);
  /// Starts from the weights in a file instead of the drawn ones. Throws Error(kData).
  void start_from(const std::string& weights_file);
  /// Gives all ranks the state of the first, which alone need have restored or started from one.
  void take_state_of_first();
  /// Throws Error(kInternal), naming them, when the weights of some ranks are not those of the
  /// first, bit for bit.
  void check_equal_weights() const;

  /// With Weights::kAverage: only when has_average().
  const nn::ParameterStore& weights(Weights which) const;
  const nn::Transformer& model() const { return model_; }
  /// The same with the weights that are asked for, as they are now.
  const nn::Transformer& model(Weights which);
  const Queue& queue() const { return queue_; }
  Group& group() const { return *group_; }
  const Share& share() const { return share_; }
  /// Null for a process that no launcher has started.
  const Communicator* communicator() const { return communicator_.get(); }
  /// Of a step, an evaluation and, where the run draws samples, a sample.
  std::vector<Need> needs() const;
  /// All tensors that the trainer will hold, by tag: of what it needs in turns, the most.
  MemoryUse memory() const { return run_memory().use(); }
  /// Bytes of the one piece of memory that needs() share, which the first step takes.
  size_t block_bytes() const { return block_->bytes(); }
  /// What the blocks keep in a step, so that the memory is within memory.budget.
  const StepPlan& plan() const { return plan_; }

 private:
  void begin_update();
  void add_over_ranks();
  void bring_weights_together();
  bool is_sharded() const { return own_.count < parameters_.flat_count(); }
  View in_gradients(DType dtype) const;
  using UseMoments = std::function<void(const std::string& name, const View& whole)>;
  void gather_moments(const UseMoments& use);
  void share_moments();
  void load_moments(const std::string& file);
  StepPlan choose_plan() const;
  void check_memory() const;
  RunMemory run_memory() const;
  std::string what_to_lower(size_t bytes) const;
  void check_facts(const std::string& checkpoint) const;
  DataPlace place() const;
  StepInputs inputs_of(int64_t step) const;

  const Options options_;
  const Dataset& data_;
  const std::shared_ptr<Group> group_;
  const Share share_;
  Queue queue_;
  std::unique_ptr<Communicator> communicator_;  // where a launcher has started this process
  nn::ModelConfig config_;
  nn::ParameterStore parameters_;
  nn::Transformer model_;
  std::optional<nn::ParameterStore> averages_;
  bool averages_are_whole_ = true;  // not where other ranks have updated their parts since
  std::optional<nn::Transformer> average_model_;
  optim::FlatPart own_;  // of the flat buffers, which this rank updates
  std::unique_ptr<optim::Optimizer> optimizer_;
  StepSize step_size_;
  optim::Schedule schedule_;
  SampleOrder order_;
  Tensor state_;         // one StepState
  Tensor progress_;      // one StepProgress, in host memory
  Tensor squared_norm_;  // [1] f64
  Tensor stop_votes_;    // [1] f64: how many ranks want to stop
  std::shared_ptr<SharedBlock> block_;
  Program evaluation_;
  std::optional<Sampler> sampler_;
  StepPlan plan_;
  std::unique_ptr<GradientSum> sum_;  // where there are other ranks
  std::unique_ptr<Program> training_;
  Repeated update_;
  std::vector<std::pair<std::string, Tensor>> restored_;  // whole moments, for all ranks to share
  int64_t steps_ = 0;                                     // finished
  int64_t updates_ = 0;                                   // of them not skipped
  struct Report {                                         // of an unfinished step, once it is done
    std::unique_ptr<Download> state, stop_votes;
  };
  std::deque<Report> reports_;
};

}  // namespace lacuna::train
