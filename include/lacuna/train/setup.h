// From options to the objects of a run. Everything a user can get wrong is found here, before
// anything is written.
#pragma once

#include <memory>

#include "lacuna/data/sample_order.h"
#include "lacuna/nn/transformer.h"
#include "lacuna/optim/optimizer.h"
#include "lacuna/optim/schedule.h"
#include "lacuna/train/length.h"
#include "lacuna/train/options.h"

namespace lacuna::train {

DatasetConfig dataset_config(const Options& options);
/// Resolved; throws Error(kConfig).
nn::ModelConfig model_config(const Options& options, int64_t vocabulary);
optim::OptimizerConfig optimizer_config(const Options& options);

/// The type of weights and activations.
DType precision(const Options& options);
/// train.threads, or all that the process may use.
int threads(const Options& options);

/// Which window of the training part each sample is. Throws Error(kData) when the training part is
/// shorter than one window.
SampleOrder sample_order(const Options& options, const Dataset& data);
/// Tokens and samples of a step, windows of an epoch. Throws as sample_order does, and
/// Error(kConfig) when the context does not fit the alignment of the data.
StepSize step_size(const Options& options, const Dataset& data);
/// Lengths in steps. Throws Error(kConfig).
optim::Schedule schedule(const Options& options, const StepSize& step);

}  // namespace lacuna::train
