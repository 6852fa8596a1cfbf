// Whether the promises of memory.budget hold on this device: what was predicted of memory and time,
// beside what comes of it.
#include <chrono>
#include <cstdio>

#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/train/dry_trainer.h"
#include "lacuna/train/keep_search.h"
#include "lacuna/train/memory_budget.h"
#include "lacuna/train/setup.h"
#include "random_symbols.h"
#include "step_times.h"

namespace lacuna::cli {
namespace {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// What came of a budget.
struct Outcome {
  size_t budget = 0;     // bytes; 0: none was given
  size_t predicted = 0;  // all bytes that the process should hold
  size_t held = 0;       // that it did, as the device says; 0 on a CPU, which does not tell
  size_t predicted_block = 0, block = 0;
  double ms = 0, seconds_again = 0;
  double begun = 0, ended = 0;  // Unix time
  nn::KeptByBlock kept;
};

class Budgets {
 public:
  Budgets(const Parsed& parsed, const Stop& stop)
      : options_(train::read_options(parsed.text("config"), parsed.overrides)),
        repeats_(parsed.whole("repeats", 1)),
        stop_(stop) {
    train::resolve(options_);
    options_.memory.budget = "auto";
    data_ = std::make_unique<RandomSymbols>(train::medium_of(options_));
    const Outcome whole = outcome(0);
    if (!whole.kept.empty()) {
      throw Error(ErrorKind::kConfig, "bench budgets",
                  "a step that keeps everything does not fit, and nothing can be held against it",
                  "Lower train.batch");
    }
    whole_ms_ = whole.ms;
    const Queue queue = train::make_queue(options_);
    total_ = whole_memory(queue);
    const train::DryTrainer dry = dry_trainer(queue);
    const train::KeepSearch search(dry.model(), dry.batch(), {});
    least_ = dry.bytes_with(search.least());
    everything_ = dry.bytes_with(search.everything().arena);
    whole_seconds_ =
        train::measure_step(queue, dry.model(), dry.batch(), options_.optim.average > 0)
            .whole(options_.train.accumulation);
    print_head(train::device_text(queue), whole);
    add(whole);
  }

  size_t least() const { return least_; }
  size_t everything() const { return everything_; }
  size_t total() const { return total_; }
  void measure(size_t budget) { add(outcome(budget)); }
  std::string json(const std::string& file) const {
    return JsonLine()
        .add("config", file)
        .add("device", device_)
        .add("minimum_bytes", static_cast<int64_t>(least_))
        .add("everything_bytes", static_cast<int64_t>(everything_))
        .add("everything_ms", whole_ms_)
        .add("predicted_everything_ms", 1e3 * whole_seconds_)
        .add_json("runs", "[" + runs_ + "]")
        .text();
  }

 private:
  train::DryTrainer dry_trainer(const Queue& queue) const {
    return {options_, train::model_config(options_, data_->medium()), train::RunDevice::of(queue),
            train::storage_type(options_, queue)};
  }
  static size_t whole_memory(const Queue& queue) {
    if constexpr (kWithCuda) {
      if (queue.on_gpu()) return cuda::device_memory(queue).total;
    }
    return train::free_memory(queue);
  }
  static size_t held_by_process(const Queue& queue) {
    if constexpr (kWithCuda) {
      if (queue.on_gpu()) {
        const cuda::DeviceMemory memory = cuda::device_memory(queue);
        return memory.total - memory.free;
      }
    }
    return 0;
  }

  Outcome outcome(size_t budget) const {
    leave_if(stop_);
    train::Options options = options_;
    if (budget > 0) options.memory.budget = str(budget);
    Outcome found{.budget = budget, .begun = unix_time()};
    train::Trainer trainer(options, *data_);
    found.ms = time_steps(trainer, repeats_, std::chrono::steady_clock::now(), stop_).median;
    found.held = held_by_process(trainer.queue());
    found.kept = trainer.plan().kept;
    found.seconds_again = trainer.plan().seconds_again;
    found.block = trainer.block_bytes();
    const train::DryTrainer dry = dry_trainer(trainer.queue());
    found.predicted_block = dry.memory(found.kept).block();
    found.predicted = dry.bytes_with(found.predicted_block);
    found.ended = unix_time();
    return found;
  }

  double predicted_times(const Outcome& found) const {
    const auto micro_batches = static_cast<double>(options_.train.accumulation);
    return 1 + micro_batches * found.seconds_again / whole_seconds_;
  }

  void print_head(const std::string& device, const Outcome& whole) {
    device_ = device;
    std::printf(
        "%s: %lld x %lld tokens a step, %s; a step takes %.2f ms with everything kept, "
        "%.2f predicted\n",
        device.c_str(), static_cast<long long>(options_.train.batch),
        static_cast<long long>(options_.model.context), options_.train.precision.c_str(), whole.ms,
        1e3 * whole_seconds_);
    std::printf("  %12s %16s %16s %16s %9s %7s %7s  %s\n", "budget", "bytes predicted",
                "bytes held", "arena", "ms", "times", "pred.", "kept");
  }

  void add(const Outcome& found) {
    const double times = found.ms / whole_ms_, predicted = predicted_times(found);
    const std::string kept =
        found.kept.empty() ? "everything" : nn::text_of(found.kept, options_.model.layers);
    const bool same_arena = found.block == found.predicted_block;
    std::printf("  %12s %16s %16s %16s %9.2f %7.3f %7.3f  %s%s\n",
                found.budget > 0 ? human_bytes(found.budget).c_str() : "none",
                grouped(static_cast<int64_t>(found.predicted)).c_str(),
                found.held > 0 ? grouped(static_cast<int64_t>(found.held)).c_str() : "-",
                grouped(static_cast<int64_t>(found.block)).c_str(), found.ms, times, predicted,
                same_arena ? "" : "NOT THE ARENA PREDICTED; ", kept.c_str());
    std::fflush(stdout);
    JsonLine line;
    line.add("budget_bytes", static_cast<int64_t>(found.budget))
        .add("predicted_bytes", static_cast<int64_t>(found.predicted));
    if (found.held > 0) line.add("held_bytes", static_cast<int64_t>(found.held));
    line.add("predicted_arena_bytes", static_cast<int64_t>(found.predicted_block))
        .add("arena_bytes", static_cast<int64_t>(found.block))
        .add("ms", found.ms)
        .add("times", times)
        .add("predicted_times", predicted)
        .add("begun", found.begun)
        .add("ended", found.ended)
        .add("kept", kept);
    runs_ += str(runs_.empty() ? "" : ", ", line.text());
  }

  train::Options options_;
  int64_t repeats_;
  const Stop& stop_;
  std::unique_ptr<Dataset> data_;
  std::string device_, runs_;
  size_t least_ = 0, everything_ = 0, total_ = 0;
  double whole_ms_ = 0, whole_seconds_ = 0;
};

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Bytes of one of the budgets that --at names.
size_t bytes_of(const std::string& text, size_t whole) {
  const std::optional<size_t> bytes = train::parse_budget(text, whole);
  if (!bytes) throw Error(ErrorKind::kUsage, "--at", "auto is no budget to hold a step against");
  return *bytes;
}

}  // namespace

void bench_budgets(const Parsed& parsed, const Stop& stop) {
  const std::string& file = parsed.text("config");
  if (file.empty()) {
    throw Error(ErrorKind::kUsage, "bench budgets", "which model?", "Give --config FILE");
  }
  const std::string& at = parsed.text("at");
  const int64_t count = parsed.whole("count", 2);
  const std::vector<std::string> given =
      at.empty() ? std::vector<std::string>() : split_at_commas(at);
  for (const std::string& text : given) bytes_of(text, 1000);  // before anything takes time
  Budgets budgets(parsed, stop);
  for (const std::string& text : given) budgets.measure(bytes_of(text, budgets.total()));
  for (int64_t k = 0; given.empty() && k < count; ++k) {
    const size_t range = budgets.everything() - budgets.least();
    budgets.measure(budgets.least() +
                    range * static_cast<size_t>(k) / static_cast<size_t>(count - 1));
  }
  if (parsed.is_set("json")) write_atomic(parsed.text("json"), budgets.json(file) + "\n");
}

}  // namespace lacuna::cli
