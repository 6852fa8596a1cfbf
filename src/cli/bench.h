// The benchmarks of `lacuna bench`, one file each. Rates are measured on this machine, never looked
// up.
#pragma once

#include "lacuna/cli/command.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna::cli {

/// The queue that --threads asks for.
Queue cpu_queue(const Parsed& parsed);

/// Matrix products, a training step and attention on the CPU.
void bench_cpu(const Parsed& parsed, const Stop& stop);
/// What a token costs with the cache and without: of a small model on the CPU; with --config what
/// the next function does. Throws Error(kUsage) for a flag that the other of the two reads.
void bench_sampling(const Parsed& parsed, const Stop& stop);
/// The same of a configuration, on whatever device it asks for, with reading the logits and
/// drawing.
void bench_configured_sampling(const Parsed& parsed, const Stop& stop);
/// Each GPU kernel but attention and matrix products, at the sizes of the paper's models, and its
/// share of the measured copy rate. Throws Error(kConfig) without a usable GPU.
void bench_layers(const Parsed& parsed, const Stop& stop);
/// Attention on a GPU, in the cases of the peer or any given. Throws Error(kConfig) without a
/// usable GPU.
void bench_attention(const Parsed& parsed, const Stop& stop);
/// A whole training step of a configuration, on whatever device it asks for: milliseconds, tokens,
/// model FLOP/s and memory; on a GPU also the share of the measured rate of matrix products and
/// where the time goes. With --gpus or --processes a step that so many share.
void bench_step(const Parsed& parsed, const Stop& stop);
/// Steps of a configuration on random symbols under several budgets of memory, each beside what was
/// predicted of it, all against keeping everything. Throws Error(kConfig) where that does not fit.
void bench_budgets(const Parsed& parsed, const Stop& stop);
/// What it takes to add, scatter and gather flat buffers over the processes of --gpus or
/// --processes.
void bench_sums(const Parsed& parsed, const Stop& stop);
/// The table of rates that plans for a GPU are made from (train/rates.h), on a GPU where there is
/// one, else on the CPU.
void bench_rates(const Parsed& parsed, const Stop& stop);

}  // namespace lacuna::cli
