#include "lacuna/train/setup.h"

#include <algorithm>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/resources.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/data/records.h"
#include "lacuna/data/split.h"
#include "lacuna/kernels/gpu_limits.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/train/device_rules.h"
#include "lacuna/train/run_plan.h"

namespace lacuna::train {

namespace {

void check_sample_length(const Options& options) {
  const std::unique_ptr<Medium> medium = medium_of(options);
  const int64_t length = options.train.sample_length, unit = medium->unit().symbols;
  if (medium->sample_size() > 0 || length % unit == 0) return;
  throw Error(
      ErrorKind::kConfig, "train.sample_length",
      str("a sample of this sound has ", unit, " symbols, and ", length, " are no whole number"),
      str("Give a multiple of ", unit));
}

}  // namespace

void check_options(const Options& options) {
  constexpr StepSize kAny;  // lengths are read, not used
  check_dataset(dataset_config(options));
  Options resolved = options;
  resolve(resolved);
  (void)optim::find_optimizer(options.optim.name);
  (void)schedule(options, kAny);
  (void)run_plan(resolved, kAny, 0);
  (void)parse_length(options.checkpoint.keep_every, kAny, "checkpoint.keep_every");
  check_patience(options, kAny, true);
  check_sample_length(options);
}

void check_patience(const Options& options, const StepSize& step, bool validation) {
  const int64_t every = parse_length(options.train.evaluate_every, step, "train.evaluate_every");
  if (options.train.patience == 0 || (every > 0 && validation)) return;
  throw Error(ErrorKind::kConfig, "train.patience",
              "waits for evaluations, but the run makes none on its way",
              "Set train.evaluate_every and give the validation part of data.split a share");
}

DatasetConfig dataset_config(const Options& options) {
  const auto& data = options.data;
  return {.format = data.format,
          .paths = data.paths,
          .valid_paths = data.valid_paths,
          .test_paths = data.test_paths,
          .suffixes = data.suffixes,
          .split = data.split,
          .values = options.format,
          .run = options.train.run};
}

std::unique_ptr<Medium> medium_of(const Options& options) {
  return lacuna::medium_of(dataset_config(options));
}

// The context that options without one mean.
constexpr int64_t kUsualContext = 512;

nn::ModelConfig model_config(const Options& options, const Medium& medium) {
  const auto& model = options.model;
  const int64_t sample = medium.sample_size();
  if (sample > 0 && model.context > 0 && model.context != sample) {
    throw Error(ErrorKind::kConfig, "model.context",
                str(model.context, ", but a sample of this data has ", sample, " symbols"),
                "Leave it out");
  }
  nn::ModelConfig config{
      .layers = model.layers,
      .heads = model.heads,
      .width = model.width,
      .qk_width = model.qk_width,
      .feedforward_width = model.feedforward_width,
      .context = model.context > 0 ? model.context : (sample > 0 ? sample : kUsualContext),
      .vocabulary = medium.vocabulary(),
      .position_tables =
          model.position_tables.empty() ? medium.position_tables() : model.position_tables,
      .attention = model.attention,
      .dropout = model.dropout,
      .init = model.init == "paper" ? nn::InitScheme::kPaperText : nn::InitScheme::kReleasedCode,
      .embedding_std = model.embedding_std};
  return config.resolved();
}

optim::OptimizerConfig optimizer_config(const Options& options) {
  const auto& optim = options.optim;
  return {optim.name, optim.beta1,        optim.beta2,
          optim.eps,  optim.weight_decay, optim.moments == "bf16"};
}

bool on_gpu(const Options& options) {
  const std::string& device = options.train.device;
  if constexpr (kWithCuda) {
    return device == "gpu" || (device == "auto" && cuda::why_unusable(0).empty());
  }
  if (device != "gpu") return false;
  throw Error(ErrorKind::kConfig, "train.device", "this program was built without CUDA",
              "Build it where nvcc is found, or use --train.device cpu");
}

namespace {

// Where one GPU can be seen, it is this process's own, or is shared knowingly.
int gpu_of(const World& world) {
  if constexpr (kWithCuda) {
    const int visible = cuda::gpu_count();
    if (visible <= 1) return 0;
    if (world.local_rank < visible) return world.local_rank;
    throw Error(
        ErrorKind::kConfig, "train.device",
        str("there are ", visible, " GPUs for ", world.local_size, " processes of this host"),
        str("Start ", visible, " processes on it"));
  }
  return 0;
}

}  // namespace

Queue make_queue(const Options& options, const World& world) {
  if (on_gpu(options)) {
    if constexpr (kWithCuda) {
      const int device = gpu_of(world);
      const std::string reason = cuda::why_unusable(device);
      if (!reason.empty()) {
        throw Error(ErrorKind::kConfig, "train.device", "there is no usable GPU: " + reason,
                    "Use --train.device cpu to compute on the CPU");
      }
      const bool tf32 = options.train.f32_products == "tf32";
      return cuda::make_queue(
          {.device = device,
           .f32_products = tf32 ? cuda::MatrixPrecision::kTF32 : cuda::MatrixPrecision::kF32,
           .launches = options.train.launches == "stream" ? cuda::LaunchMode::kStream
                                                          : cuda::LaunchMode::kGraph});
    }
  }
  // Other launchers may have bound each process to CPUs of its own.
  const bool own_cpus = world.launcher != "lacuna" && has_own_cpus(world.local_size);
  const int share = available_threads(own_cpus ? 1 : world.local_size);
  const int wanted = options.train.threads > 0 ? static_cast<int>(options.train.threads) : share;
  Queue queue = Queue::cpu(wanted);
  if (queue.threads() < wanted) {
    log_warning(str(wanted, " CPU threads are wanted, but OpenMP gives ", queue.threads(),
                    ": look at the variables OMP_*"));
  }
  return queue;
}

std::string device_text(const Queue& queue) {
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) return cuda::device_name(queue);
  }
  return str(queue.threads(), " CPU threads");
}

std::string precision(const Options& options) {
  return precision_on(options, on_gpu(options));
}

std::string precision_on(const Options& options, bool gpu) {
  const std::string& wanted = options.train.precision;
  if (wanted == "auto") return gpu ? "bf16" : "f32";
  if (wanted == "f32" || (wanted == "f64") != gpu) return wanted;
  throw Error(ErrorKind::kConfig, "train.precision",
              str(gpu ? "a GPU" : "the CPU", " does not train in ", wanted),
              gpu ? "Use bf16, f16 or f32, or --train.device cpu" : "Use f32 or f64");
}

void resolve(Options& options) {
  options.train.precision = precision(options);
  const nn::ModelConfig model = model_config(options, *medium_of(options));
  const auto& data = options.data;
  const bool parted = !data.valid_paths.empty() || !data.test_paths.empty();
  if (data.split.empty() && !parted && !format_called(data.format).has_own_parts) {
    options.data.split = kUsualSplit;
  }
  options.model.context = model.context;
  options.model.qk_width = model.qk_width;
  options.model.feedforward_width = model.feedforward_width;
  options.model.position_tables = model.position_tables;
}

DType storage_type(const Options& options, const Queue& queue) {
  const std::string& wanted = options.train.precision;
  if (!queue.on_gpu()) return wanted == "f64" ? DType::kF64 : DType::kF32;
  if (wanted == "f32" || wanted == "f64") return DType::kF32;
  return wanted == "f16" ? DType::kF16 : DType::kBF16;
}

void check_supported(const nn::ModelConfig& model, int64_t batch, const Queue& queue) {
  if (queue.on_gpu()) check_supported_on_gpu(model, batch);
}

void check_supported_on_gpu(const nn::ModelConfig& model, int64_t batch) {
  constexpr int64_t kWidest = cuda::kLimits.head_width;
  for (const auto& [option, width] :
       {std::pair{"model.width", model.width}, std::pair{"model.qk_width", model.qk_width}}) {
    if (width <= kWidest * model.heads) continue;
    throw Error(ErrorKind::kConfig, option,
                str(width / model.heads, " elements a head; on a GPU a head has at most ", kWidest),
                "Raise model.heads, or use --train.device cpu");
  }
  constexpr int64_t kMost = cuda::kLimits.tokens;
  if (batch * model.context <= kMost) return;
  throw Error(ErrorKind::kConfig, "train.batch",
              str(batch, " sequences of ", grouped(model.context), " positions; at most ",
                  grouped(kMost), " go through a GPU at once"),
              "Lower train.batch and raise train.accumulation instead, or lower model.context");
}

int64_t optimizer_parts(const Options& options, const World& world) {
  return options.dist.shard == "optimizer" ? world.size : 1;
}

optim::FlatPart own_part(const Options& options, const World& world,
                         const nn::ParameterStore& parameters) {
  const int64_t parts = optimizer_parts(options, world);
  if (parts == 1) return optim::whole_of(parameters);
  const int64_t count = parameters.flat_count() / parts;
  return {world.rank * count, count};
}

MemoryUse weights_memory(const Options& options, const nn::ModelConfig& model, const Queue& queue,
                         int64_t parts) {
  const auto weights = static_cast<size_t>(nn::parameter_count(nn::parameter_specs(model)));
  const DType stored = storage_type(options, queue);
  const bool rounded = stored == DType::kBF16 || stored == DType::kF16;
  const DType kept = wide(stored);
  const size_t bytes = weights * size_of(kept);
  const size_t copies = options.optim.average > 0 ? 2 : 1;
  MemoryUse use;
  use[MemoryTag::kParameters] = use[MemoryTag::kGradients] = bytes;
  const auto moments = static_cast<size_t>(optim::find_optimizer(options.optim.name).moments);
  use[MemoryTag::kOptimizer] = weights * moments *
                               size_of(moment_type(optimizer_config(options), kept)) /
                               static_cast<size_t>(parts);
  use[MemoryTag::kAverages] = bytes * (copies - 1);
  if (rounded) use[MemoryTag::kRounded] = weights * size_of(stored) * copies;
  return use;
}

size_t free_memory(const Queue& queue) {
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) return cuda::device_memory(queue).free;
  }
  return lacuna::free_memory();
}

void check_weights_fit(const Options& options, const nn::ModelConfig& model, const Queue& queue,
                       int64_t parts) {
  const MemoryUse wanted = weights_memory(options, model, queue, parts);
  const size_t free = free_memory(queue);
  if (wanted.total() <= free) return;
  nn::ModelConfig bare = model;  // embeddings and head alone
  bare.layers = 0;
  const auto fixed = static_cast<double>(weights_memory(options, bare, queue, parts).total());
  const double of_layers = static_cast<double>(wanted.total()) - fixed;
  const auto fits = static_cast<int64_t>(static_cast<double>(model.layers) *
                                         (static_cast<double>(free) - fixed) / of_layers);
  throw Error(
      ErrorKind::kConfig, queue.on_gpu() ? "GPU memory" : "memory",
      str("the weights alone need ", memory_text(wanted), "; ", human_bytes(free), " are free"),
      fits > 0
          ? str("Lower model.layers from ", model.layers, " to at most ", fits, ", or model.width")
          : "Lower model.width");
}

SampleOrder sample_order(const Options& options, const Dataset& data) {
  const int64_t context = options.model.context;
  return {data.train().size(), training_stretches(data.train(), context), context,
          static_cast<uint64_t>(options.train.seed), data.medium().grid()};
}

StepSize step_size(const Options& options, const Dataset& data) {
  const int64_t context = options.model.context, alignment = data.medium().grid().alignment;
  if (context % alignment != 0) {
    throw Error(ErrorKind::kConfig, "model.context",
                str(context, " is not a multiple of ", alignment,
                    ", where the windows of this data set begin"));
  }
  const SampleOrder order = sample_order(options, data);
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
