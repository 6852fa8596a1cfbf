// What a step takes longer because ranks share it: a model of the sums after the backward pass
// (docs/distributed.md, "What it costs: a model").
#pragma once

#include <string>

#include "lacuna/train/options.h"

namespace lacuna::train {

/// Between the GPUs of a host, and between hosts. Seconds, bytes and bytes a second.
struct Links {
  // Measured on two H200 of one host, 14da3e5, 2026-11-30: NCCL adds 380 MB in 1.25 ms.
  double within_host = 305e9;
  double call = 0.05e-3;  // until one has begun
  // Assumed: hosts of 8 GPUs, 8 ports of InfiniBand each, 50 GB/s a port.
  int64_t gpus_a_host = 8;
  double between_hosts = 400e9;
  double call_a_doubling = 0.02e-3;  // for each doubling of hosts
  // Derived from the elementwise ops of an H200 (rates.def): bytes read and written while gradients
  // are rounded.
  double rounding = 4.1e12;

  int64_t hosts(int64_t gpus) const { return (gpus + gpus_a_host - 1) / gpus_a_host; }
};
inline constexpr Links kLinks;

/// Of `gradients` elements in f32, added by one GPU for each of `gpus` ranks, by dist.shard and
/// dist.reduce; 0 for one. Sums that overlap with the pass (dist.bucket) count as if they came
/// after it.
double sum_seconds(const Options& options, int64_t gradients, int64_t gpus);

/// Which of the numbers behind that are measured, and which are assumed: one sentence.
std::string sources_text(int64_t gpus);

}  // namespace lacuna::train
