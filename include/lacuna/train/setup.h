// From options to the objects of a run. Everything a user can get wrong is found here, before
// anything is written.
#pragma once

#include <memory>
#include <string>

#include "lacuna/comm/world.h"
#include "lacuna/data/sample_order.h"
#include "lacuna/nn/transformer.h"
#include "lacuna/optim/optimizer.h"
#include "lacuna/optim/schedule.h"
#include "lacuna/train/length.h"
#include "lacuna/train/options.h"
#include "lacuna/train/sampler.h"

namespace lacuna::train {

/// Throws Error(kConfig) for the mistakes that need no data to be found.
void check_options(const Options& options);
/// Throws Error(kConfig) when train.patience waits for evaluations that are never made;
/// `validation` tells whether there is anything to evaluate.
void check_patience(const Options& options, const StepSize& step, bool validation);

DatasetConfig dataset_config(const Options& options);
/// What the symbols mean that a run with these options reads. Throws Error(kConfig).
std::unique_ptr<Medium> medium_of(const Options& options);
/// Resolved; throws Error(kConfig).
nn::ModelConfig model_config(const Options& options, const Medium& medium);
optim::OptimizerConfig optimizer_config(const Options& options);

/// Whether train.device means a GPU on this machine. Throws Error(kConfig) when one is asked for by
/// a program that was built without CUDA.
bool on_gpu(const Options& options);
/// Fills in the options that follow from others and from the device. Throws Error(kConfig).
void resolve(Options& options);

/// On a GPU or on train.threads CPU threads (0: all that the process may use; of several processes
/// on a host, its share of them). Of several GPUs that can be seen a process takes the one of its
/// local rank. Throws Error(kConfig) when a GPU is asked for and there is none to be used.
Queue make_queue(const Options& options, const World& world = {});
/// The queue's GPU by name, or "2 CPU threads".
std::string device_text(const Queue& queue);
/// train.precision with "auto" replaced by what the device prefers. Throws Error(kConfig) when the
/// device cannot train in it.
std::string precision(const Options& options);
/// What ops store on the queue's device: of train.precision, or f32 where the device knows nothing
/// shorter, so that a run from a GPU can be evaluated on a CPU.
DType storage_type(const Options& options, const Queue& queue);
/// Throws Error(kConfig) where the queue's device cannot run the model on `batch` sequences at
/// once.
void check_supported(const nn::ModelConfig& model, int64_t batch, const Queue& queue);

/// Into how many parts the optimizer's state is cut when so many ranks train together.
int64_t optimizer_parts(const Options& options, const World& world);
/// The part of the weights whose moments a rank has, and which it updates.
optim::FlatPart own_part(const Options& options, const World& world,
                         const nn::ParameterStore& parameters);
/// What training holds for the weights alone: them, gradients, moments (of one of `parts` parts),
/// averages.
MemoryUse weights_memory(const Options& options, const nn::ModelConfig& model, const Queue& queue,
                         int64_t parts = 1);
/// Bytes that can still be had of the queue's device.
size_t free_memory(const Queue& queue);
/// Throws Error(kConfig), with what to lower, where the queue's device has no room for that.
void check_weights_fit(const Options& options, const nn::ModelConfig& model, const Queue& queue,
                       int64_t parts = 1);

/// Which window of the training part each sample is. Throws Error(kData) when the training part is
/// shorter than one window.
SampleOrder sample_order(const Options& options, const Dataset& data);
/// Tokens and samples of a step, windows of an epoch. Throws as sample_order does, and
/// Error(kConfig) when the context does not fit the alignment of the data.
StepSize step_size(const Options& options, const Dataset& data);
/// The samples that a run draws on its way: one text or sound of train.sample_length symbols, or
/// train.sample_count pictures. The options are resolved.
SampleConfig sample_config(const Options& options, const Medium& medium);
/// Lengths in steps. Throws Error(kConfig).
optim::Schedule schedule(const Options& options, const StepSize& step);

}  // namespace lacuna::train
