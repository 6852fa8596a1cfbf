// Attention on a GPU, forward and forward + backward, as replays of a captured graph: the cases of
// the PyTorch comparison by name, and any others.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "bench.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/rng.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "lacuna/kernels/attention.h"
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
  return {pattern, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], pattern};
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

/// Values as from a normal distribution, out of a table of 65,536.
Tensor random_on_gpu(const Queue& queue, const Shape& shape, DType dtype, uint64_t seed) {
  static const std::vector<float> table = [] {
    std::vector<float> values(1 << 16);
    const PhiloxKey key = random_key(1, RandomUse::kInit, 0);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(normal_pair(random_words(key, i, 0, 0))[0]);
    }
    return values;
  }();
  const Tensor host = Tensor::zeros(shape, dtype);
  const int64_t count = shape.count();
  const auto fill = [&](auto* to, const auto& convert) {
    for (int64_t i = 0; i < count; i += 4) {
      const uint64_t bits = mix64(seed ^ static_cast<uint64_t>(i));
      for (int64_t j = i; j < std::min(i + 4, count); ++j) {
        to[j] = convert(table[bits >> (16 * (j - i)) & 0xFFFF]);
      }
    }
  };
  if (dtype == DType::kBF16) fill(host.view().data<BFloat16>(), [](float x) { return to_bf16(x); });
  if (dtype == DType::kF16) fill(host.view().data<Float16>(), [](float x) { return to_f16(x); });
  if (dtype == DType::kF32) fill(host.view().data<float>(), [](float x) { return x; });
  Tensor made = queue.zeros(shape, dtype);
  queue.upload(made, host.view().raw());
  return made;
}

struct Times {
  double forward, both;  // ms, medians
};

Times time_case(Queue& queue, const Case& c, DType dtype, int repeats) {
  const int64_t fused = c.heads * (2 * c.qk + c.v);
  const Tensor qkv = random_on_gpu(queue, {c.batch, c.length, fused}, dtype, 1);
  const Tensor dy = random_on_gpu(queue, {c.batch, c.length, c.heads * c.v}, dtype, 2);
  const Tensor y = queue.zeros(dy.shape(), dtype), dqkv = queue.zeros(qkv.shape(), dtype);
  const Tensor lse = queue.zeros({c.batch, c.heads, c.length}, DType::kF32);
  const Tensor delta = queue.zeros(lse.shape(), DType::kF32);
  const auto part = [&](const Tensor& whole, int which) {
    const int64_t qk = c.heads * c.qk;
    return which < 2 ? whole.view().slice(2, which * qk, qk).split_last(c.heads, c.qk)
                     : whole.view().slice(2, 2 * qk, c.heads * c.v).split_last(c.heads, c.v);
  };
  const View y_heads = y.view().split_last(c.heads, c.v);
  const double scale = 1 / std::sqrt(static_cast<double>(c.qk));
  const sparse::PatternPtr pattern = sparse::parse_pattern(c.pattern);
  const HeadPasses passes = sparse::head_passes(*pattern, c.heads, c.length);
  const AttentionForward forward{part(qkv, 0), part(qkv, 1), part(qkv, 2), y_heads,
                                 lse,          scale,        &passes};
  const AttentionBackward backward{part(qkv, 0),  part(qkv, 1),  part(qkv, 2),
                                   y_heads,       lse,           dy.view().split_last(c.heads, c.v),
                                   part(dqkv, 0), part(dqkv, 1), part(dqkv, 2),
                                   delta,         scale,         &passes};
  const auto time = [&](const std::function<void()>& work) {
    work();
    const std::unique_ptr<Graph> graph = queue.capture(work);
    queue.replay(*graph);
    const std::vector<double> ms =
        cuda::time_on_device(queue, repeats, [&](int) { queue.replay(*graph); });
    return ms[ms.size() / 2];
  };
  const double once = time([&] { launch(queue, forward); });
  const double both = time([&] {
    launch(queue, forward);
    launch(queue, backward);
  });
  return {once, both};
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
  Queue queue = cuda::make_queue({});
  std::printf("%s, %s; ms and useful TFLOP/s, medians of %d graph replays\n",
              cuda::device_name(queue).c_str(), name_of(dtype), repeats);
  std::printf("%-18s %9s %7s %9s %7s %9s %9s\n", "case", "forward", "TF/s", "fwd+bwd", "TF/s",
              "floor", "floor f+b");
  std::string json;
  for (const Case& c : cases) {
    leave_if(stop);
    const Times times = time_case(queue, c, dtype, repeats);
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

void bench_attention(const Parsed&, const Stop&) {
  throw Error(ErrorKind::kUsage, "bench attention", "this program was built without CUDA");
}

#endif

}  // namespace lacuna::cli
