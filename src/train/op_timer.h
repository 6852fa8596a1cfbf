// Times single ops on random operands, which it holds one op at a time.
#pragma once

#include <functional>
#include <string>

#include "lacuna/kernels/attention.h"
#include "lacuna/kernels/step_state.h"
#include "seconds_cache.h"

namespace lacuna::train {

class OpTimer {
 public:
  /// `cache` may be null: everything is measured; else it must outlive this.
  OpTimer(const Queue& queue, DType dtype, SecondsCache* cache);

  /// Sizes: `rows` of B * T positions, C `width`.
  double layer_norm_forward(int64_t rows, int64_t width);
  double layer_norm_backward(int64_t rows, int64_t width);
  double seam_forward(const Shape& stream, double dropout);
  double seam_backward(const Shape& stream, double dropout);
  double activation_forward(int64_t rows, int64_t width);
  struct Product {
    int64_t rows, in, out;
    bool bias = true;
    bool wide_result = false;  // as the head's
    bool activated = false;    // backward: through an activation
  };
  double product_forward(const Product& size);
  double product_backward(const Product& size);
  struct Attention {
    std::string pattern;
    int64_t batch, heads, length, qk, v;  // widths of all heads
  };
  double attention_forward(const Attention& size, const HeadPasses& passes);
  double attention_backward(const Attention& size, const HeadPasses& passes);
  struct Embedding {
    int64_t batch, length, classes, width;
    std::vector<int64_t> tables;
  };
  double embedding_forward(const Embedding& size);
  double embedding_backward(const Embedding& size);
  double cross_entropy(int64_t rows, int64_t classes);
  double adamw(int64_t count, bool average);
  double squared_norm(int64_t count);
  double zero(int64_t count);

 private:
  class Operands;
  using Launch = std::function<void()>;
  double of(const std::string& op, const std::function<Launch(Operands&)>& make);

  Queue queue_;
  DType dtype_;
  SecondsCache* cache_;
  Tensor numbers_;  // on the device: what random operands repeat
};

/// Bytes that those move which are counted in bytes.
struct OpBytes {
  DType dtype;

  double layer_norm_forward(int64_t rows, int64_t width) const {
    return rows_of(2, rows, width, 2);
  }
  double layer_norm_backward(int64_t rows, int64_t width) const {
    return rows_of(3, rows, width, 2);
  }
  double seam_forward(int64_t rows, int64_t width) const { return rows_of(4, rows, width, 2); }
  double seam_backward(int64_t rows, int64_t width) const { return rows_of(5, rows, width, 2); }
  double activation_forward(int64_t rows, int64_t width) const {
    return rows_of(2, rows, width, 0);
  }
  double activation_backward(int64_t rows, int64_t width) const {
    return rows_of(3, rows, width, 0);
  }
  double column_sums(int64_t rows, int64_t width) const { return rows_of(1, rows, width, 0); }
  double embedding(int64_t rows, int64_t width) const { return rows_of(1, rows, width, 1); }
  double cross_entropy(int64_t rows, int64_t classes) const {
    return static_cast<double>(rows) * (static_cast<double>(classes) * bytes(wide(dtype)) + 12 +
                                        static_cast<double>(classes) * bytes(dtype));
  }
  double adamw(int64_t count, bool average) const {
    const double rounded = dtype == wide(dtype) ? 0 : bytes(dtype);
    return static_cast<double>(count) * ((average ? 9 : 7) * bytes(wide(dtype)) + rounded + 0.0625);
  }
  double weights(int64_t count) const { return static_cast<double>(count) * bytes(wide(dtype)); }

 private:
  static double bytes(DType type) { return static_cast<double>(size_of(type)); }
  double rows_of(double times, int64_t rows, int64_t width, double statistics) const {
    return static_cast<double>(rows) *
           (times * static_cast<double>(width) * bytes(dtype) + statistics * bytes(wide(dtype)));
  }
};

/// Floating-point operations of attention: of the attended pairs, and `beside` keys more for each
/// query of each pass.
struct AttentionWork {
  double pairs = 0, queries = 0;  // of the whole batch, over all heads and passes

  AttentionWork(const HeadPasses& passes, int64_t batch);
  double forward(int64_t qk, int64_t v, double beside) const {
    return 2 * static_cast<double>(qk + v) * (pairs + beside * queries);
  }
  double backward(int64_t qk, int64_t v, double beside) const {
    return 2 * static_cast<double>(3 * qk + 2 * v) * (pairs + beside * queries);
  }
};

}  // namespace lacuna::train
