// Kernels against the specification on this machine's GPU.
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

#include "check_cases.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::cli {
namespace {

struct Precision {
  DType dtype;
  double unit;  // half a unit in the last place of 1
};
constexpr Precision kPrecisions[] = {
    {DType::kF32, 0x1p-24}, {DType::kBF16, 0x1p-8}, {DType::kF16, 0x1p-11}};
// Sums of f32 go through hundreds of roundings where those of bf16 go through one.
constexpr double kF32Sums = 20;

// Inputs are of the order of 1. Where a result should be zero, such as the gradient of a query that
// sees one key, what rounding leaves of sums of that order is no error.
constexpr double kLeastScale = 0.5;

// max |got - want| / max |want|; infinite where one is not finite.
double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  double worst = 0, scale = kLeastScale;
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = std::fabs(got[i] - want[i]);
    if (!(difference <= std::numeric_limits<double>::max())) return HUGE_VAL;
    worst = std::fmax(worst, difference);
    scale = std::fmax(scale, std::fabs(want[i]));
  }
  return worst / scale;
}

struct Worst {
  std::string tensor = "-";
  double error = 0;
};

Worst worst_of(const Side& got, const Side& want) {
  Worst worst;
  for (size_t i = 0; i < want.results().size(); ++i) {
    const double error = relative_error(got.read(i), want.read(i));
    if (error >= worst.error) worst = {want.results()[i].name, error};
  }
  return worst;
}

class Table {
 public:
  void add(const std::string& name, DType dtype, const Worst& worst, double limit) {
    const bool good = worst.error <= limit;
    failures_ += good ? 0 : 1;
    ++rows_;
    std::printf("%-6s %-48s %-5s %-10s %9.2e of %9.2e\n", good ? "ok" : "FAILED", name.c_str(),
                name_of(dtype), worst.tensor.c_str(), worst.error, limit);
  }
  int rows() const { return rows_; }
  int failures() const { return failures_; }

 private:
  int rows_ = 0, failures_ = 0;
};

double limit_of(const Precision& precision, double units) {
  return units * precision.unit * (precision.dtype == DType::kF32 ? kF32Sums : 1);
}

void stopped(const Table& table) {
  std::printf("stopped after %d checks, %d failed\n", table.rows(), table.failures());
}

void run_check(const Parsed& parsed, const Stop& stop) {
  if constexpr (kWithCuda) {
    const Queue gpu = cuda::make_queue({});
    uint64_t seed = std::random_device()();
    if (parsed.is_set("seed")) seed = static_cast<uint64_t>(parsed.whole("seed", 0));
    std::printf(
        "%s against f64 on the CPU, seed %llu: largest error of any result, relative to the "
        "largest element of its tensor\n",
        cuda::device_name(gpu).c_str(), static_cast<unsigned long long>(seed));
    Table table;
    for (const CheckCase& check : check_cases()) {
      for (const Precision& precision : kPrecisions) {
        if (stop()) return stopped(table);
        Side want(Queue::cpu(available_threads()), precision.dtype, DType::kF64, seed);
        Side got(gpu, precision.dtype, precision.dtype, seed);
        check.run(want);
        check.run(got);
        table.add(check.name, precision.dtype, worst_of(got, want),
                  limit_of(precision, check.units));
      }
    }
    for (const SameCase& same : same_cases()) {
      for (const Precision& precision : kPrecisions) {
        if (stop()) return stopped(table);
        Side one(gpu, precision.dtype, precision.dtype, seed);
        Side other(gpu, precision.dtype, precision.dtype, seed);
        same.one(one);
        same.other(other);
        table.add(same.name, precision.dtype, worst_of(other, one),
                  limit_of(precision, same.units));
      }
    }
    std::printf("%d checks, %d failed\n", table.rows(), table.failures());
    if (table.failures() == 0) return;
    throw Error(ErrorKind::kInternal, "check",
                str(table.failures(), " of ", table.rows(), " results are wrong on this GPU"),
                str("Report the table with the output of `lacuna --version`; --seed ", seed,
                    " repeats it"));
  }
  (void)parsed;
  (void)stop;
  throw Error(ErrorKind::kConfig, "check", "this program was built without CUDA",
              "Build it where nvcc is found");
}

}  // namespace

Command make_check_command() {
  return {
      .name = "check",
      .summary = "Compare the kernels of training with their specification on this machine's GPU",
      .flags = {{"--seed", "N", "", "Of the random inputs; fresh ones when it is not given"}},
      .run = run_check};
}

}  // namespace lacuna::cli
