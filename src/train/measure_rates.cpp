// The table of rates, measured.
#include <algorithm>

#include "lacuna/base/text.h"
#include "lacuna/sparse/pattern.h"
#include "lacuna/train/rates.h"
#include "op_timer.h"

namespace lacuna::train {
namespace {

// Positions of the larger of two sizes, and widths.
struct Sizes {
  int64_t batch, length, width, inner, classes, weights, widest;
  const char *near, *far;  // patterns of few and of many keys
};
constexpr Sizes kOnGpu{8, 12288, 512, 2048, 256, 64'000'000, 8192, "local(128)", "local(1024)"};
constexpr Sizes kOnCpu{2, 1024, 128, 512, 256, 1'000'000, 512, "local(32)", "local(256)"};

// The line through two sizes.
Rate through(double amount, double seconds, double less, double seconds_of_less) {
  const double slope = (seconds - seconds_of_less) / (amount - less);
  if (slope <= 0) return {.per_second = amount / seconds};
  const double start = seconds_of_less - less * slope;
  if (start <= 0) return {.per_second = amount / seconds};
  return {.per_second = 1 / slope, .start = start};
}

class Measurement {
 public:
  Measurement(const Queue& queue, DType dtype, const std::function<void()>& between)
      : sizes_(queue.on_gpu() ? kOnGpu : kOnCpu),
        bytes_{dtype},
        timer_(queue, dtype, nullptr),
        between_(between) {}

  Rates table() {
    measure_streams();
    measure_update();
    for (int64_t width = 128; width <= sizes_.widest; width *= width < 2048 ? 2 : 4) {
      measure_products(width);
    }
    measure_attention(32, 32);
    measure_attention(64, 64);
    measure_attention(64, 128);
    measure_attention(128, 128);
    return std::move(rates_);
  }

 private:
  // `seconds(batch)` and `bytes(rows)` of two sizes.
  template <class Seconds, class Bytes>
  void add(const char* what, const Seconds& seconds, const Bytes& bytes) {
    const int64_t large = sizes_.batch, small = std::max<int64_t>(1, large / 4);
    const double of_large = seconds(large), of_small = seconds(small);
    rates_[what] =
        through(bytes(large * sizes_.length), of_large, bytes(small * sizes_.length), of_small);
    between_();
  }

  void measure_streams() {
    const int64_t length = sizes_.length, width = sizes_.width, inner = sizes_.inner;
    const auto bytes = [this, width](auto member) {
      return [this, width, member](int64_t rows) { return (bytes_.*member)(rows, width); };
    };
    const auto of_inner = [this, inner](auto member) {
      return [this, inner, member](int64_t rows) { return (bytes_.*member)(rows, inner); };
    };
    const auto stream = [=](int64_t batch) { return Shape{batch, length, width}; };
    const auto embedding = [=, this](int64_t batch) {
      return OpTimer::Embedding{batch, length, sizes_.classes, width, {length / 128, 128}};
    };
    add(
        "layer norm forward",
        [&](int64_t b) { return timer_.layer_norm_forward(b * length, width); },
        bytes(&OpBytes::layer_norm_forward));
    add(
        "layer norm backward",
        [&](int64_t b) { return timer_.layer_norm_backward(b * length, width); },
        bytes(&OpBytes::layer_norm_backward));
    add(
        "seam forward", [&](int64_t b) { return timer_.seam_forward(stream(b), 0); },
        bytes(&OpBytes::seam_forward));
    add(
        "seam backward", [&](int64_t b) { return timer_.seam_backward(stream(b), 0); },
        bytes(&OpBytes::seam_backward));
    add(
        "activation forward",
        [&](int64_t b) { return timer_.activation_forward(b * length, inner); },
        of_inner(&OpBytes::activation_forward));
    add(
        "activation backward", [&](int64_t b) { return beside_product(b, inner, true, true); },
        of_inner(&OpBytes::activation_backward));
    add(
        "column sums", [&](int64_t b) { return beside_product(b, inner, true, false); },
        of_inner(&OpBytes::column_sums));
    add(
        "embedding forward", [&](int64_t b) { return timer_.embedding_forward(embedding(b)); },
        bytes(&OpBytes::embedding));
    add(
        "embedding backward", [&](int64_t b) { return timer_.embedding_backward(embedding(b)); },
        bytes(&OpBytes::embedding));
    add(
        "cross-entropy",
        [&](int64_t b) { return timer_.cross_entropy(b * length, sizes_.classes); },
        [this](int64_t rows) { return bytes_.cross_entropy(rows, sizes_.classes); });
  }

  // What the backward pass of an affine layer takes besides its products: of a narrow input, so
  // that these take little.
  double beside_product(int64_t batch, int64_t out, bool bias, bool activated) {
    constexpr int64_t kNarrow = 32;
    OpTimer::Product size{batch * sizes_.length, kNarrow, out};
    size.bias = bias;
    size.activated = activated;
    const double whole = timer_.product_backward(size);
    size.bias = size.activated = false;
    return std::max(whole - timer_.product_backward(size), 1e-7);
  }

  void measure_update() {
    const int64_t count = sizes_.weights;
    rates_["adamw"] = {.per_second = bytes_.adamw(count, true) / timer_.adamw(count, true)};
    rates_["squared norm"] = {.per_second = bytes_.weights(count) / timer_.squared_norm(count)};
    rates_["zero"] = {.per_second = bytes_.weights(count) / timer_.zero(count)};
    between_();
  }

  void measure_products(int64_t width) {
    // Widths of a model meet ones that are up to four times as large; the widest is a square.
    const int64_t out = std::min(2 * width, sizes_.widest);
    const int64_t rows = width > 2048 ? sizes_.widest : sizes_.batch * sizes_.length;
    OpTimer::Product size{rows, width, out};
    size.bias = false;
    const double flops =
        2 * static_cast<double>(rows) * static_cast<double>(width) * static_cast<double>(out);
    rates_[str("product forward ", width)] = {.per_second = flops / timer_.product_forward(size)};
    rates_[str("product backward ", width)] = {.per_second =
                                                   2 * flops / timer_.product_backward(size)};
    between_();
  }

  // Widths of one head. Two patterns tell the rate from what a query costs by itself.
  void measure_attention(int64_t qk, int64_t v) {
    const int64_t heads = std::max<int64_t>(1, sizes_.width / v);
    const int64_t batch = std::max<int64_t>(1, sizes_.batch / 2);
    const auto measure = [&](bool forward) {
      double pairs[2], queries = 0, seconds[2];
      for (int k = 0; k < 2; ++k) {
        const std::string pattern = k == 0 ? sizes_.near : sizes_.far;
        const HeadPasses passes =
            sparse::head_passes(*sparse::parse_pattern(pattern), heads, sizes_.length);
        const AttentionWork work(passes, batch);
        const OpTimer::Attention size{pattern, batch, heads, sizes_.length, heads * qk, heads * v};
        pairs[k] = work.pairs;
        queries = work.queries;
        seconds[k] = forward ? timer_.attention_forward(size, passes)
                             : timer_.attention_backward(size, passes);
      }
      const double each =
          forward ? 2 * static_cast<double>(qk + v) : 2 * static_cast<double>(3 * qk + 2 * v);
      const Rate line = through(pairs[1], seconds[1], pairs[0], seconds[0]);
      return Rate{.per_second = each * line.per_second,
                  .beside = line.start * line.per_second / queries};
    };
    rates_[str("attention forward ", (qk + v) / 2)] = measure(true);
    between_();
    rates_[str("attention backward ", (qk + v) / 2)] = measure(false);
    between_();
  }

  Sizes sizes_;
  OpBytes bytes_;
  OpTimer timer_;
  const std::function<void()>& between_;
  Rates rates_;
};

}  // namespace

Rates measure_rates(const Queue& queue, DType dtype, const std::function<void()>& between) {
  return Measurement(queue, dtype, between).table();
}

}  // namespace lacuna::train
