#include "bench.h"

#include "attention_kernels.h"
#include "lacuna/base/resources.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna::cli {
namespace {

const Argument kRepeats{"--repeats", "N", "7", "Timed runs of each piece; the median is printed"};
const Argument kThreads{"--threads", "N", "0", "CPU threads; 0: all"};
const Argument kDtype{"--dtype", "TYPE", "bf16", "Type of activations: bf16, f16 or f32"};
const Argument kGpus{"--gpus", "N", "", "N GPUs of this machine share it, a process for each"};
const Argument kProcesses{"--processes", "N", "", "N processes on the CPUs share it"};
const Argument kJson{"--json", "FILE", "", "Also write the numbers there"};

}  // namespace

Queue cpu_queue(const Parsed& parsed) {
  const int64_t threads = parsed.whole("threads", 0);
  return Queue::cpu(threads == 0 ? available_threads() : static_cast<int>(threads));
}

Command make_bench_command() {
  return {
      .name = "bench",
      .summary = "Measure the speed of training, kernels and sampling on this machine",
      .subcommands = {
          {.name = "cpu",
           .summary = "Matrix products, a training step and attention on the CPU",
           .flags = {kRepeats, kThreads},
           .run = bench_cpu},
          {.name = "sampling",
           .summary = "What a token costs with the cache and without",
           .flags = {kRepeats,
                     {"--config", "FILE", "",
                      "The model, where its configuration computes; without it a small one on the "
                      "CPU"},
                     {"--batch", "N", "1", "With --config: sequences at once"},
                     {"--threads", "N", "0", "Without --config: CPU threads; 0: all"},
                     {"--json", "FILE", "", "With --config: also write the numbers there"}},
           .takes_options = true,
           .run = bench_sampling},
          {.name = "layers",
           .summary = "The memory-bound kernels of a GPU, as a share of its copy rate",
           .flags = {kRepeats, kDtype, kJson},
           .run = bench_layers},
          {.name = "attention",
           .summary = "The attention kernels of a GPU",
           .flags = {kRepeats,
                     {"--case", "LIST", "all",
                      "Names, or B,H,T,D_qk,D_v,PATTERN; several with ; between"},
                     {"--rates", "TFLOPS,TBS", "",
                      "Matrix and copy rate as measured, for the floor"},
                     kFamily,
                     kDtype,
                     kJson},
           .run = bench_attention},
          {.name = "step",
           .summary = "A training step of a configuration, on the device that it asks for",
           .flags = {kRepeats,
                     {"--config", "FILE", "", "The configuration"},
                     {"--data", "", "", "Train on its data, not on random symbols"},
                     kGpus,
                     kProcesses,
                     kJson},
           .takes_options = true,
           .run = bench_step},
          {.name = "budgets",
           .summary = "Training steps under budgets of memory: what was predicted, and what came",
           .flags = {kRepeats,
                     {"--config", "FILE", "", "The configuration"},
                     {"--count", "N", "20", "Budgets, evenly from the least to everything"},
                     {"--at", "LIST", "", "These budgets instead, such as 10GiB,50%"},
                     kJson},
           .takes_options = true,
           .run = bench_budgets},
          {.name = "sums",
           .summary = "Adding, scattering and gathering gradients over several GPUs or processes",
           .flags = {kRepeats,
                     {"--sizes", "LIST", "1,25,100,380", "Of f32 in MB; several with , between"},
                     kGpus,
                     kProcesses,
                     kJson},
           .run = bench_sums},
          {.name = "rates",
           .summary = "How fast this machine does what `lacuna plan` reckons with",
           .flags =
               {{"--device", "gpu|cpu", "", "What to measure; a GPU where there is a usable one"},
                {"--name", "NAME", "", "How the printed lines call it; otherwise gpu or cpu"},
                {"--dtype", "TYPE", "",
                 "Type of activations: bf16, f16 or f32; otherwise bf16 on a GPU, f32 on a CPU"},
                kThreads,
                kJson},
           .run = bench_rates}}};
}

}  // namespace lacuna::cli
