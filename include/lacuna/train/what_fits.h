// What of a run could be larger within given bytes, or must be smaller: found by dry runs alone.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lacuna/train/dry_trainer.h"

namespace lacuna::train {

/// The largest of 1 .. most that takes at most `room` bytes, by what `bytes_of` tells of each;
/// absent bytes: it cannot be at all, nor any larger one. 0: none fits. The bytes should grow about
/// evenly, so that few are asked for, from `from` on.
int64_t largest_within(size_t room, int64_t from, int64_t most,
                       const std::function<std::optional<size_t>(int64_t)>& bytes_of);

/// Training with these options on such a device, of a model of which one number may be another.
struct Setting {
  Options options;
  nn::ModelConfig config;  // resolved; stands in the place of the options of the model
  RunDevice device;
  DType dtype = DType::kF32;  // of what ops store
  World world{};              // of which it is one rank
};

/// The least that such a run holds, context included. Throws Error where there can be none.
size_t least_bytes(const Setting& setting);

/// What could be had within given bytes, as far as it is known.
struct Fits {
  std::optional<int64_t> batch;            // the largest train.batch, with the rest as it is
  std::optional<nn::ModelConfig> context;  // the longest, with the batch as it is
  std::string why_no_context;              // where it cannot be another
};
/// `between` is called between two tries and may throw.
Fits what_fits(const Setting& setting, size_t bytes, const std::function<void()>& between);

/// What to lower, and to what, for a run that may hold only `bytes`, less than its least: one
/// sentence.
std::string what_to_lower(
    const Setting& setting, size_t bytes, const std::function<void()>& between = [] {});

}  // namespace lacuna::train
