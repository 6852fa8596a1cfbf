#include "target.h"

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/train/setup.h"

namespace lacuna::cli {
namespace {

constexpr const char* kUsualGpu = "h200";

Target cpu_at_hand(const train::Options& options) {
  Target target;
  target.queue = train::make_queue(options);
  target.name = train::device_text(*target.queue);
  target.total = target.available = train::free_memory(*target.queue);
  return target;
}

// Nothing where this machine has none that can be used.
std::optional<Target> gpu_at_hand([[maybe_unused]] train::Options options) {
  if constexpr (kWithCuda) {
    if (!cuda::why_unusable(0).empty()) return std::nullopt;
    options.train.device = "gpu";
    Target target;
    target.queue = train::make_queue(options);
    target.name = train::device_text(*target.queue);
    target.device = train::RunDevice::of(*target.queue);
    const cuda::DeviceMemory memory = cuda::device_memory(*target.queue);
    target.total = memory.total;
    target.available = memory.free + memory.context + memory.workspace;
    return target;
  }
  return std::nullopt;
}

}  // namespace

Target Target::of(const train::Options& options, const std::string& gpu) {
  if (options.train.device == "cpu") {
    if (gpu.empty()) return cpu_at_hand(options);
    throw Error(ErrorKind::kUsage, "--gpu", "train.device is cpu", "Leave one of them out");
  }
  if (gpu.empty()) {
    if (std::optional<Target> here = gpu_at_hand(options)) return *here;
  }
  const train::KnownGpu known = train::known_gpu(gpu.empty() ? kUsualGpu : gpu);
  return {.name = known.name,
          .device = {.gpu = true,
                     .context = known.context,
                     .workspace = known.workspace,
                     .capability = known.capability},
          .total = known.memory,
          .available = known.memory,
          .queue = {}};
}

train::StepSeconds Target::step_seconds(const train::DryTrainer& dry, bool average) const {
  if (queue) return train::measure_step(*queue, dry.model(), dry.batch(), average);
  const DType dtype = dry.model().dtype();
  return train::estimate_step(dry.model().config(), dry.batch(), dtype,
                              train::known_rates(name, dtype), average);
}

std::string Target::seconds_text(DType dtype) const {
  if (queue) return "measured op by op";
  return str("estimated from the table of this GPU",
             train::rates_are_measured(name, dtype)
                 ? ""
                 : str(", where nothing was measured in ", name_of(dtype)));
}

}  // namespace lacuna::cli
