// Kernels against the specification on this machine's GPU.
#include <cstdio>
#include <random>

#include "attention_kernels.h"
#include "lacuna/base/error.h"
#include "lacuna/base/resources.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/proof/cases.h"
#include "lacuna/proof/side.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::cli {
namespace {

constexpr DType kPrecisions[] = {DType::kF32, DType::kBF16, DType::kF16};

class Table {
 public:
  /// A row with the result that is farthest off for what it may be.
  void add(const std::string& name, DType dtype, const std::vector<proof::Finding>& findings) {
    proof::Finding worst{.result = "-", .error = 0, .limit = 0};
    for (const proof::Finding& finding : findings) {
      if (finding.share() >= worst.share()) worst = finding;
    }
    failures_ += worst.good() ? 0 : 1;
    ++rows_;
    std::printf("%-6s %-56s %-5s %-14s %9.2e of %9.2e\n", worst.good() ? "ok" : "FAILED",
                name.c_str(), name_of(dtype), worst.result.c_str(), worst.error, worst.limit);
  }
  void print_stopped() const {
    std::printf("stopped after %d checks, %d failed\n", rows_, failures_);
  }
  int rows() const { return rows_; }
  int failures() const { return failures_; }

 private:
  int rows_ = 0, failures_ = 0;
};

void run_check(const Parsed& parsed, const Stop& stop) {
  const cuda::QueueConfig config{.attention = wanted_attention(parsed)};
  if constexpr (kWithCuda) {
    const Queue gpu = cuda::make_queue(config), cpu = Queue::cpu(available_threads());
    uint64_t seed = std::random_device()();
    if (parsed.is_set("seed")) seed = static_cast<uint64_t>(parsed.whole("seed", 0));
    std::printf(
        "%s against f64 on the CPU, seed %llu: of each case the result that is farthest off for "
        "what it may be\n",
        cuda::device_name(gpu).c_str(), static_cast<unsigned long long>(seed));
    Table table;
    for (const proof::CheckCase& check : proof::check_cases()) {
      for (const DType dtype : kPrecisions) {
        if (stop()) return table.print_stopped();
        table.add(check.name, dtype, proof::findings(check, gpu, dtype, seed, cpu));
      }
    }
    for (const proof::SameCase& same : proof::same_cases()) {
      for (const DType dtype : kPrecisions) {
        if (stop()) return table.print_stopped();
        table.add(same.name, dtype, proof::findings(same, gpu, dtype, seed));
      }
    }
    std::printf("%d checks, %d failed\n", table.rows(), table.failures());
    if (table.failures() == 0) return;
    throw Error(ErrorKind::kInternal, "check",
                str(table.failures(), " of ", table.rows(), " results are wrong on this GPU"),
                str("Report the table with the output of `lacuna --version`; --seed ", seed,
                    " repeats it"));
  }
  (void)config;
  (void)stop;
  throw Error(ErrorKind::kConfig, "check", "this program was built without CUDA",
              "Build it where nvcc is found");
}

}  // namespace

Command make_check_command() {
  return {.name = "check",
          .summary = "Compare the kernels with their specification on this machine's GPU",
          .flags = {{"--seed", "N", "", "Of the random inputs; fresh ones when it is not given"},
                    kFamily},
          .run = run_check};
}

}  // namespace lacuna::cli
