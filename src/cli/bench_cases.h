// What `lacuna bench layers` measures. Only in builds with CUDA.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lacuna/kernels/step_state.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::cli {

/// Makes operands in the GPU's memory.
class Operands {
 public:
  explicit Operands(Queue& queue);

  /// Uniform in [0.05, 1.05), so that it may also be a variance; repeats after 4M elements.
  Tensor random(const Shape& shape, DType dtype);
  /// Uniform in [0, classes).
  Tensor tokens(const Shape& shape, int64_t classes);
  /// The state of a step that updates, in the GPU's memory; lives as long as this object.
  StepState* state() const { return static_cast<StepState*>(state_.view().raw()); }
  Queue& queue() { return queue_; }

 private:
  static constexpr int64_t kNoise = int64_t{1} << 22;
  Queue& queue_;
  Tensor noise_, state_;
};

/// One kernel on one size.
struct BenchCase {
  std::string kernel, size;
  double bytes;  // that it must move at least
  /// Makes operands and returns a launch on them.
  std::function<std::function<void()>()> make;
};

/// All kernels bound by memory, activations in `dtype`. `operands` must outlive the launches.
std::vector<BenchCase> layer_cases(Operands& operands, DType dtype);

}  // namespace lacuna::cli
