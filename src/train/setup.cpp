#include "lacuna/train/setup.h"

#include "lacuna/data/sample_order.h"

namespace lacuna::train {

DatasetConfig dataset_config(const Options& options) {
  return {options.data.format, options.data.paths, options.data.suffixes, options.data.split};
}

nn::ModelConfig model_config(const Options& options, int64_t vocabulary) {
  const auto& model = options.model;
  nn::ModelConfig config{
      .layers = model.layers,
      .heads = model.heads,
      .width = model.width,
      .qk_width = model.qk_width,
      .feedforward_width = model.feedforward_width,
      .context = model.context,
      .vocabulary = vocabulary,
      .position_tables = model.position_tables,
      .attention = model.attention,
      .dropout = model.dropout,
      .init = model.init == "paper" ? nn::InitScheme::kPaperText : nn::InitScheme::kReleasedCode,
      .embedding_std = model.embedding_std};
  return config.resolved();
}

optim::OptimizerConfig optimizer_config(const Options& options) {
  const auto& optim = options.optim;
  return {optim.name, optim.beta1, optim.beta2, optim.eps, optim.weight_decay};
}

DType precision(const Options& options) {
  return options.train.precision == "f64" ? DType::kF64 : DType::kF32;
}

int threads(const Options& options) {
  return options.train.threads > 0 ? static_cast<int>(options.train.threads) : available_threads();
}

StepSize step_size(const Options& options, const Dataset& data) {
  const int64_t context = options.model.context;
  const SampleOrder order(data.size(Split::kTrain), context, 0, true);
  const int64_t samples = options.train.batch * options.train.accumulation;
  return {.tokens = samples * context, .samples = samples, .samples_per_epoch = order.windows()};
}

optim::Schedule schedule(const Options& options, const StepSize& step) {
  return {.learning_rate = options.optim.learning_rate,
          .warmup = parse_length(options.optim.warmup, step, "optim.warmup"),
          .total = parse_length(options.train.length, step, "train.length"),
          .average_decay = options.optim.average};
}

}  // namespace lacuna::train
