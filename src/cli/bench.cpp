#include "bench.h"

#include "lacuna/base/names.h"
#include "lacuna/base/text.h"

namespace lacuna::cli {
namespace {

struct Benchmark {
  const char* name;
  void (*run)(const Parsed&);
  bool writes_json = true;
  bool takes_options = false;     // --section.key VALUE
  bool only_with_config = false;  // either of them
};

constexpr Benchmark kBenchmarks[] = {{"cpu", bench_cpu, false},
                                     {"sampling", bench_sampling, true, true, true},
                                     {"layers", bench_layers},
                                     {"attention", bench_attention},
                                     {"step", bench_step, true, true}};

// What the benchmark does not read must not be given in vain.
void refuse_unread(const Benchmark& benchmark, const Parsed& parsed) {
  const std::string place = std::string("bench ") + benchmark.name;
  const bool sampling = benchmark.run == bench_sampling;
  if (parsed.whole("batch", 1) != 1 && !(sampling && parsed.is_set("config"))) {
    throw Error(ErrorKind::kUsage, place,
                sampling ? "it has no --batch without --config" : "it has no --batch",
                sampling                      ? "Give --config FILE"
                : benchmark.run == bench_step ? "Use --train.batch"
                                              : "");
  }
  if (!benchmark.writes_json && parsed.is_set("json")) {
    throw Error(ErrorKind::kUsage, place, "it has no --json");
  }
  if (benchmark.only_with_config && !parsed.is_set("config")) {
    const bool json = parsed.is_set("json");
    if (json || !parsed.overrides.empty()) {
      throw Error(ErrorKind::kUsage, place,
                  str("it ", json ? "has no --json" : "reads no options", " without --config"),
                  "Give --config FILE");
    }
  }
  if (!benchmark.takes_options && !parsed.overrides.empty()) {
    throw Error(ErrorKind::kUsage, place, "it reads no options of a configuration",
                "`bench step` does, and `bench sampling` with --config");
  }
}

void run_bench(const Parsed& parsed, const Stop&) {
  std::vector<std::string> names;
  for (const Benchmark& known : kBenchmarks) {
    if (parsed.text("WHAT") == known.name) {
      refuse_unread(known, parsed);
      return known.run(parsed);
    }
    names.emplace_back(known.name);
  }
  throw unknown_name(ErrorKind::kUsage, "bench", "benchmark", parsed.text("WHAT"), names);
}

}  // namespace

Queue cpu_queue(const Parsed& parsed) {
  const int64_t threads = parsed.whole("threads", 0);
  return Queue::cpu(threads == 0 ? available_threads() : static_cast<int>(threads));
}

Command make_bench_command() {
  return {
      .name = "bench",
      .summary = "Measure the speed of training, kernels and sampling on this machine",
      .positionals = {{"WHAT", "", "",
                       "cpu: training and attention there; sampling: on the CPU, or of a "
                       "configuration; layers and attention: kernels of a GPU; step: of a "
                       "configuration"}},
      .flags = {{"--repeats", "N", "7", "Timed runs of each piece; the median is printed"},
                {"--threads", "N", "0", "cpu, sampling without --config: CPU threads; 0: all"},
                {"--config", "FILE", "", "sampling, step: the configuration"},
                {"--batch", "N", "1", "sampling with --config: sequences at once"},
                {"--case", "LIST", "all",
                 "attention: names, or B,H,T,D_qk,D_v,PATTERN; several with ; between"},
                {"--rates", "TFLOPS,TBS", "",
                 "attention: matrix and copy rate as measured, for the floor"},
                {"--dtype", "TYPE", "bf16", "layers, attention: bf16, f16 or f32"},
                {"--json", "FILE", "",
                 "layers, attention, step, sampling with --config: also write the numbers there"}},
      .takes_options = true,
      .run = run_bench};
}

}  // namespace lacuna::cli
