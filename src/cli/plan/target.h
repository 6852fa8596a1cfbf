// What a run is planned for: a GPU of this machine, its CPU, or a GPU that is known by its table.
#pragma once

#include <optional>
#include <string>

#include "lacuna/train/dry_trainer.h"
#include "lacuna/train/step_seconds.h"

namespace lacuna::cli {

struct Target {
  std::string name;  // "h200", "NVIDIA H200", "2 CPU threads"
  train::RunDevice device;
  size_t total = 0;            // bytes that a share of a budget is one of
  size_t available = 0;        // of them for this process
  std::optional<Queue> queue;  // where the device is at hand and is measured

  /// By the flag --gpu, by train.device and by what this machine has. Throws Error(kUsage) and
  /// Error(kConfig).
  static Target of(const train::Options& options, const std::string& gpu);

  /// Of a step, measured where the target is at hand, else estimated from its table.
  train::StepSeconds step_seconds(const train::DryTrainer& dry, bool average) const;
  /// How it comes by them, in words.
  std::string seconds_text(DType dtype) const;
};

}  // namespace lacuna::cli
