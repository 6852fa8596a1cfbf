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

}  // namespace lacuna::train
