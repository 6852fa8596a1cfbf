#include <chrono>
#include <cstdio>

#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/train/matrix_rate.h"
#include "lacuna/train/trainer.h"
#include "random_symbols.h"
#include "step_times.h"
#include "train_ranks.h"

namespace lacuna::cli {
namespace {

void print_profile(const train::Options& options, const Dataset& data) {
  train::Options streamed = options;
  streamed.train.launches = "stream";
  train::Trainer trainer(streamed, data);
  trainer.step();
  const auto times = cuda::profile(trainer.queue(), [&] { trainer.step(); });
  double sum = 0;
  for (const auto& time : times) sum += time.ms;
  std::printf("  %-24s %8s %10s %7s\n", "where the time goes", "launches", "ms", "share");
  for (const auto& time : times) {
    std::printf("  %-24s %8lld %10.2f %6.1f%%\n", time.contract.c_str(),
                static_cast<long long>(time.launches), time.ms, 100 * time.ms / sum);
  }
  std::printf("  %-24s %8s %10.2f\n", "sum, launched one by one", "", sum);
}

// Prints what was measured; returns it for --json.
JsonLine tell(const std::string& config, train::Trainer& trainer, const StepTimes& times) {
  const nn::Transformer& model = trainer.model();
  const int64_t context = model.config().context;
  const auto samples = static_cast<double>(trainer.step_size().samples);
  const auto tokens = static_cast<double>(trainer.step_size().tokens);
  const double flops = samples * model.training_flops();
  const int64_t dense_pairs =
      model.config().layers * model.config().heads * (context * (context + 1) / 2);
  const double dense = samples * model.training_flops(dense_pairs);
  const double per_second = 1e3 / times.median;
  const int ranks = trainer.group().size();
  const std::string device = train::device_text(trainer.queue());
  const std::string where = ranks == 1 ? device : str(ranks, " ranks, each with ", device);
  std::printf("%s on %s, %lld x %lld tokens a step, %s\n", config.c_str(), where.c_str(),
              static_cast<long long>(trainer.step_size().samples), static_cast<long long>(context),
              name_of(model.dtype()));
  std::printf("  %.2f ms a step (median), %.0f tokens/s; first step after %.0f ms\n", times.median,
              tokens * per_second, times.first);
  std::printf("  %.1f model TFLOP/s of the pairs attended, %.1f dense-equivalent\n",
              flops * per_second * 1e-12, dense * per_second * 1e-12);
  JsonLine json;
  json.add("config", config)
      .add("device", device)
      .add("ranks", ranks)
      .add("ms", times.median)
      .add("tokens_per_second", tokens * per_second)
      .add("first_step_ms", times.first)
      .add("model_tflops", flops * per_second * 1e-12)
      .add("dense_equivalent_tflops", dense * per_second * 1e-12)
      .add("planned_bytes", static_cast<int64_t>(trainer.memory().total()));
  std::printf("  %s planned\n", human_bytes(trainer.memory().total()).c_str());
  if constexpr (kWithCuda) {
    if (trainer.queue().on_gpu()) {
      const cuda::DeviceMemory memory = cuda::device_memory(trainer.queue());
      const size_t held = memory.total - memory.free - memory.context;
      std::printf("  %s held on the GPU besides the %s of its context\n", human_bytes(held).c_str(),
                  human_bytes(memory.context).c_str());
      const double rate = train::matrix_rate(trainer.queue(), model.dtype());
      if (rate > 0) {
        std::printf("  matrix products of 8192^3 run at %.0f TFLOP/s: %.0f %% of it\n",
                    rate * 1e-12, 100 * flops * per_second / rate / ranks);
      }
      json.add("held_bytes", static_cast<int64_t>(held)).add("matrix_tflops", rate * 1e-12);
    }
  }
  return json;
}

// What each of the ranks does that share the step; the first one tells.
void bench_rank(const Parsed& parsed, const train::Options& options, const Dataset& data,
                const std::shared_ptr<Group>& group, const Stop& stop) {
  const auto start = std::chrono::steady_clock::now();
  group->watch([] { return std::string("a benchmark"); });
  JsonLine json;
  {
    train::Trainer trainer(options, data, group);
    const StepTimes times = time_steps(trainer, parsed.whole("repeats", 1), start, stop);
    if (group->is_first()) json = tell(parsed.text("config"), trainer, times);
    group->from_first("the end of the benchmark", "");  // before any leaves NCCL
  }
  if (!group->is_first()) return;
  leave_if(stop);
  if constexpr (kWithCuda) {
    if (group->world().launcher.empty() && train::on_gpu(options)) print_profile(options, data);
  }
  if (parsed.is_set("json")) write_atomic(parsed.text("json"), json.text() + "\n");
}

}  // namespace

void bench_step(const Parsed& parsed, const Stop& stop) {
  const World world = find_world();
  const std::string& file = parsed.text("config");
  if (file.empty()) {
    throw Error(ErrorKind::kUsage, "bench step", "which model?", "Give --config FILE");
  }
  train::Options options = train::read_options(file, parsed.overrides);
  if (launch_if_asked(parsed, options, world, stop)) return;
  train::resolve(options);
  const std::unique_ptr<Dataset> data =
      parsed.is_set("data") ? open_dataset(train::dataset_config(options))
                            : std::make_unique<RandomSymbols>(train::medium_of(options));
  work_in_group(world, options, stop, [&](const std::shared_ptr<Group>& group) {
    bench_rank(parsed, options, *data, group, stop);
  });
}

}  // namespace lacuna::cli
