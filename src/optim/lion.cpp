// Lion, one launch a range.
#include "lacuna/kernels/lion.h"

#include "decay_marks.h"
#include "lacuna/optim/optimizer.h"

namespace lacuna::optim {
namespace {

class LionOptimizer : public Optimizer {
 public:
  LionOptimizer(Queue& queue, const OptimizerConfig& config, const nn::ParameterStore& parameters,
                const FlatPart& part)
      : config_(config),
        begin_(part.begin),
        decays_(decay_marks(queue, parameters)),
        momentum_(queue.zeros({part.count}, moment_type(config, parameters.dtype()))) {}

  void update(Queue& queue, const FlatRange& range, const StepState* state) override {
    const int64_t begin = range.begin, count = range.weight.count();
    launch(queue, Lion{.range = range,
                       .momentum = momentum_.view().slice(0, begin - begin_, count),
                       .decays = marks_of(decays_, begin, count),
                       .beta1 = config_.beta1,
                       .beta2 = config_.beta2,
                       .decay = config_.weight_decay,
                       .state = state});
  }

  std::vector<std::pair<std::string, View>> buffers() const override {
    return {{"momentum", momentum_}};
  }

  size_t bytes() const override { return decays_.view().bytes() + momentum_.view().bytes(); }

 private:
  OptimizerConfig config_;
  int64_t begin_;  // of its part
  Tensor decays_, momentum_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(Queue& queue, const OptimizerConfig& config,
                                     const nn::ParameterStore& parameters, const FlatPart& part) {
  return std::make_unique<LionOptimizer>(queue, config, parameters, part);
}

}  // namespace lacuna::optim
