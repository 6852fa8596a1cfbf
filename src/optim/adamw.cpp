// AdamW, one launch a range.
#include "lacuna/kernels/adamw.h"

#include "decay_marks.h"
#include "lacuna/optim/optimizer.h"

namespace lacuna::optim {
namespace {

class AdamWOptimizer : public Optimizer {
 public:
  AdamWOptimizer(Queue& queue, const OptimizerConfig& config, const nn::ParameterStore& parameters,
                 const FlatPart& part)
      : config_(config),
        begin_(part.begin),
        decays_(decay_marks(queue, parameters)),
        rate_(queue.zeros({1}, DType::kF64)),
        mean_(queue.zeros({part.count}, moment_type(config, parameters.dtype()))),
        variance_(queue.zeros({part.count}, mean_.dtype())) {}

  void update(Queue& queue, const FlatRange& range, const StepState* state) override {
    const int64_t begin = range.begin, count = range.weight.count();
    launch(queue, AdamW{.range = range,
                        .mean = mean_.view().slice(0, begin - begin_, count),
                        .variance = variance_.view().slice(0, begin - begin_, count),
                        .decays = marks_of(decays_, begin, count),
                        .rate = rate_,
                        .beta1 = config_.beta1,
                        .beta2 = config_.beta2,
                        .eps = config_.eps,
                        .decay = config_.weight_decay,
                        .state = state});
  }

  std::vector<std::pair<std::string, View>> buffers() const override {
    return {{"mean", mean_}, {"variance", variance_}};
  }

  size_t bytes() const override {
    return decays_.view().bytes() + rate_.view().bytes() + mean_.view().bytes() +
           variance_.view().bytes();
  }

 private:
  OptimizerConfig config_;
  int64_t begin_;  // of its part
  Tensor decays_, rate_;
  Tensor mean_, variance_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(Queue& queue, const OptimizerConfig& config,
                                      const nn::ParameterStore& parameters, const FlatPart& part) {
  return std::make_unique<AdamWOptimizer>(queue, config, parameters, part);
}

}  // namespace lacuna::optim
