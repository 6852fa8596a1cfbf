#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/train/ranks.h"
#include "lacuna/train/setup.h"
#include "output_place.h"
#include "train_ranks.h"

namespace lacuna::cli {
namespace {

constexpr double kMegabyte = 1e6;

// Numbers of f32 of each buffer: whole parts for any usual number of ranks.
std::vector<int64_t> counts(const std::string& list) {
  constexpr int64_t kGroup = 64;
  constexpr double kMost = 1e5;  // MB
  std::vector<int64_t> all;
  for (const std::string& text : split(list, ',')) {
    double size = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, fault] = std::from_chars(text.data(), end, size);
    if (fault != std::errc() || rest != end || !(size > 0) || size > kMost) {
      throw Error(ErrorKind::kUsage, "--sizes", "'" + text + "' is no size in MB",
                  "Give numbers above 0, such as 1,25,380");
    }
    const auto groups = static_cast<int64_t>(size * kMegabyte / sizeof(float) / kGroup);
    all.push_back(std::max<int64_t>(groups, 1) * kGroup);
  }
  return all;
}

// Milliseconds of one operation: the median of `repeats`. On a GPU a few follow each other, so that
// what the host does for one is hidden behind another.
double time_of(Queue& queue, int64_t repeats, const Stop& stop,
               const std::function<void()>& operation) {
  using Clock = std::chrono::steady_clock;
  const int together = queue.on_gpu() ? 10 : 1;
  std::vector<double> times;
  for (int64_t repeat = -1; repeat < repeats; ++repeat) {  // the first does not count
    leave_if(stop);
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < together; ++i) operation();
    queue.wait();
    const std::chrono::duration<double, std::milli> time = Clock::now() - begin;
    if (repeat >= 0) times.push_back(time.count() / together);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void bench_rank(const Parsed& parsed, const train::Options& options, Group& group,
                const Stop& stop) {
  group.watch([] { return std::string("a benchmark"); });
  Queue queue = train::make_queue(options, group.world());
  const std::unique_ptr<Communicator> ranks = train::make_communicator(group, queue);
  const bool tells = group.is_first();
  if (tells) {
    std::printf("%d ranks, each with %s, %s: ms, and GB/s of the whole buffer\n", group.size(),
                train::device_text(queue).c_str(), ranks->description().c_str());
    std::printf("  %10s %20s %20s %20s %20s\n", "MB of f32", "sum in f32", "sum in bf16",
                "sum of parts, f32", "gathering, f32");
  }
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const int64_t count : counts(parsed.text("sizes"))) {
    const Tensor wide = queue.zeros({count}, DType::kF32),
                 half = queue.zeros({count}, DType::kBF16);
    const int64_t each = count / group.size() * group.size();
    const View parts = wide.view().slice(0, 0, each);
    const auto time = [&](const std::function<void()>& operation) {
      return time_of(queue, parsed.whole("repeats", 1), stop, operation);
    };
    const double ms[] = {time([&] { ranks->all_reduce(queue, wide); }),
                         time([&] { ranks->all_reduce(queue, half); }),
                         time([&] { ranks->reduce_scatter(queue, parts); }),
                         time([&] { ranks->all_gather(queue, parts); })};
    const auto bytes = static_cast<double>(wide.view().bytes());
    const double moved[] = {bytes, bytes / 2, bytes, bytes};
    if (!tells) continue;
    std::printf("  %10.3f", bytes / kMegabyte);
    for (int k = 0; k < 4; ++k) std::printf(" %10.3f %9.1f", ms[k], moved[k] / ms[k] * 1e-6);
    std::printf("\n");
    rows.push_back({{"bytes", wide.view().bytes()},
                    {"sum_f32_ms", ms[0]},
                    {"sum_bf16_ms", ms[1]},
                    {"sum_of_parts_ms", ms[2]},
                    {"gather_ms", ms[3]}});
  }
  if (!tells || !parsed.is_set("json")) return;
  const nlohmann::ordered_json all{{"device", train::device_text(queue)},
                                   {"ranks", group.size()},
                                   {"library", ranks->description()},
                                   {"sizes", rows}};
  write_atomic(parsed.text("json"), all.dump(1) + "\n");
}

}  // namespace

void bench_sums(const Parsed& parsed, const Stop& stop) {
  const World world = find_world();
  (void)counts(parsed.text("sizes"));
  if (parsed.is_set("json")) check_output_file(parsed.text("json"));
  train::Options options;
  if (launch_if_asked(parsed, options, world, stop)) return;
  if (world.launcher.empty()) {
    throw Error(ErrorKind::kUsage, "bench sums", "over how many?",
                "Give --gpus N or --processes N");
  }
  work_in_group(world, options, stop, [&](const std::shared_ptr<Group>& group) {
    bench_rank(parsed, options, *group, stop);
  });
}

}  // namespace lacuna::cli
