// Attention on a GPU, forward and forward + backward, as replays of a captured graph: the cases of
// the PyTorch comparison by name, and any others.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "attention_kernels.h"
#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "lacuna/proof/catalogue.h"
#include "lacuna/proof/timed.h"
#include "lacuna/sparse/pattern.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::cli {

#ifdef LACUNA_WITH_CUDA
namespace {

struct Case {
  std::string name;
  int64_t batch, heads, length, qk, v;  // widths of one head
  std::string pattern;
};

const std::vector<Case>& known_cases() {
  static const std::vector<Case> cases = {
      {"enwik8-fixed", 4, 8, 12288, 64, 64, "fixed(128, 32)"},
      {"enwik8-strided", 4, 8, 12288, 64, 64, "strided(128)"},
      {"cifar-strided", 32, 2, 3072, 64, 128, "strided(96)"},
      {"cifar-local", 32, 2, 3072, 64, 128, "local(96)"},
      {"cifar-column", 32, 2, 3072, 64, 128, "column(96)"},
      {"imagenet-strided", 4, 16, 12288, 32, 32, "strided(128)"},
      {"imagenet-local", 4, 16, 12288, 32, 32, "local(128)"},
      {"imagenet-column", 4, 16, 12288, 32, 32, "column(128)"},
      {"audio-strided", 1, 16, 65536, 32, 32, "strided(256)"},
      {"long-strided", 1, 8, 262144, 64, 64, "strided(512)"},
      {"long-fixed", 1, 8, 131072, 64, 64, "fixed(512, 32)"},
      {"window-1024", 1, 16, 32768, 64, 64, "local(1024)"},
      {"dense-128", 1, 16, 16384, 128, 128, "dense()"},
  };
  return cases;
}

// "B,H,T,D_qk,D_v,pattern".
Case written_case(const std::string& text) {
  std::vector<std::string> words = split(text, ',');
  std::array<int64_t, 5> numbers{};
  try {
    for (size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = parse_count(trimmed(words.at(i)));
      if (numbers[i] < 1) throw std::invalid_argument("below 1");
    }
    if (words.size() < 6) throw std::out_of_range("no pattern");
  } catch (const std::logic_error&) {
    throw Error(ErrorKind::kUsage, "--case", "cannot read '" + text + "'",
                "A case is a name (lacuna bench attention without --case prints them) or "
                "B,H,T,D_qk,D_v,PATTERN, such as 4,8,12288,64,64,fixed(128, 32)");
  }
  std::string pattern = words[5];
  for (size_t i = 6; i < words.size(); ++i) pattern += "," + words[i];
  pattern = trimmed(pattern);
  return {.name = pattern,
          .batch = numbers[0],
          .heads = numbers[1],
          .length = numbers[2],
          .qk = numbers[3],
          .v = numbers[4],
          .pattern = pattern};
}

std::vector<Case> wanted_cases(const std::string& text) {
  if (text == "all") return known_cases();
  std::vector<Case> cases;
  for (const std::string& word : split(text, ';')) {
    const std::string name(trimmed(word));
    const auto& known = known_cases();
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const Case& c) { return c.name == name; });
    cases.push_back(found != known.end() ? *found : written_case(name));
  }
  return cases;
}

DType wanted_dtype(const std::string& text) {
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    if (text == name_of(dtype)) return dtype;
  }
  throw Error(ErrorKind::kUsage, "--dtype", "there is no type '" + text + "'",
              "Known: bf16, f16, f32");
}

struct CaseTimes {
  double forward, both;  // ms, medians
};

CaseTimes time_case(Queue& queue, const Case& c, DType dtype, int repeats) {
  proof::Noise noise(queue);
  proof::TimedOperands operands(noise, dtype);
  const proof::AttentionLaunches attention =
      proof::attention_launches(operands, {.pattern = c.pattern,
                                           .batch = c.batch,
                                           .heads = c.heads,
                                           .length = c.length,
                                           .qk = c.qk,
                                           .v = c.v});
  const auto time = [&](const std::function<void()>& work) {
    work();
    const std::unique_ptr<Graph> graph = queue.capture(work);
    queue.replay(*graph);
    const std::vector<double> ms =
        cuda::time_on_device(queue, repeats, [&](int) { queue.replay(*graph); });
    return ms[ms.size() / 2];
  };
  return {.forward = time(attention.forward), .both = time([&] {
                                                attention.forward();
                                                attention.backward();
                                              })};
}

/// Useful work of one case: products over the attended pairs only, each tensor moved once.
struct Work {
  double forward_flops, both_flops, forward_bytes, both_bytes;

  Work(const Case& c, DType dtype) {
    const sparse::PatternPtr pattern = sparse::parse_pattern(c.pattern);
    double pairs = 0;
    for (int64_t h = 0; h < c.heads; ++h) {
      pairs += static_cast<double>(sparse::attended_pairs(*pattern, h, c.length));
    }
    pairs *= static_cast<double>(c.batch);
    const auto qk = static_cast<double>(c.qk), v = static_cast<double>(c.v);
    forward_flops = 2 * pairs * (qk + v);
    both_flops = 2 * pairs * (4 * qk + 3 * v);
    const double rows =
        static_cast<double>(c.batch * c.heads * c.length) * static_cast<double>(size_of(dtype));
    forward_bytes = rows * (2 * qk + 2 * v);
    both_bytes = forward_bytes + rows * (4 * qk + 4 * v);
  }
};

struct Rates {
  double flops = 0, bytes = 0;  // a second; 0: not given

  explicit Rates(const std::string& text) {
    if (text.empty()) return;
    const std::vector<std::string> words = split(text, ',');
    try {
      flops = std::stod(words.at(0)) * 1e12;
      bytes = std::stod(words.at(1)) * 1e12;
      if (!(flops > 0 && bytes > 0)) throw std::out_of_range("not above 0");
    } catch (const std::logic_error&) {
      throw Error(ErrorKind::kUsage, "--rates", "cannot read '" + text + "'",
                  "TFLOP/s and TB/s as measured, such as 790,4.3");
    }
  }
  /// Milliseconds that no kernel can beat.
  double floor(double work, double moved) const {
    return flops > 0 ? 1e3 * std::max(work / flops, moved / bytes) : 0;
  }
};

}  // namespace

void bench_attention(const Parsed& parsed, const Stop& stop) {
  const std::vector<Case> cases = wanted_cases(parsed.text("case"));
  const DType dtype = wanted_dtype(parsed.text("dtype"));
  const Rates rates(parsed.text("rates"));
  const auto repeats = static_cast<int>(parsed.whole("repeats", 1));
  Queue queue = cuda::make_queue({.attention = wanted_attention(parsed)});
  std::printf("%s, %s; ms and useful TFLOP/s, medians of %d graph replays\n",
              cuda::device_name(queue).c_str(), name_of(dtype), repeats);
  std::printf("%-18s %9s %7s %9s %7s %9s %9s\n", "case", "forward", "TF/s", "fwd+bwd", "TF/s",
              "floor", "floor f+b");
  std::string json;
  for (const Case& c : cases) {
    leave_if(stop);
    const CaseTimes times = time_case(queue, c, dtype, repeats);
    const Work work(c, dtype);
    const double forward_rate = work.forward_flops / times.forward * 1e-9;
    const double both_rate = work.both_flops / times.both * 1e-9;
    const double floor = rates.floor(work.forward_flops, work.forward_bytes);
    const double floor_both = rates.floor(work.both_flops, work.both_bytes);
    std::printf("%-18s %9.3f %7.1f %9.3f %7.1f %9.3f %9.3f\n", c.name.c_str(), times.forward,
                forward_rate, times.both, both_rate, floor, floor_both);
    std::fflush(stdout);
    JsonLine line;
    line.add("case", c.name).add("pattern", c.pattern).add("dtype", name_of(dtype));
    line.add("fwd_ms", times.forward).add("fwdbwd_ms", times.both);
    line.add("useful_fwd_tflops", forward_rate).add("useful_fwdbwd_tflops", both_rate);
    line.add("floor_fwd_ms", floor).add("floor_fwdbwd_ms", floor_both);
    json += (json.empty() ? "[\n" : ",\n") + line.text();
  }
  if (parsed.is_set("json")) write_atomic(parsed.text("json"), json + "\n]\n");
}

#else

void bench_attention(const Parsed& parsed, const Stop&) {
  wanted_attention(parsed);
  throw Error(ErrorKind::kUsage, "bench attention", "this program was built without CUDA");
}

#endif

}  // namespace lacuna::cli
