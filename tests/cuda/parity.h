// Kernels against the specification: inputs are drawn afresh, rounded to the type that the GPU
// stores, and given to the GPU as they are and to the CPU widened to f64. Outputs on the GPU start
// as NaN between two guard zones that nobody may touch.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "../random_tensor.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/kernels/step_state.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/tensor/runtime.h"

namespace parity {

using namespace lacuna;

/// One queue for all tests of a process.
inline Queue& gpu_queue() {
  static Queue queue = cuda::make_queue({});
  return queue;
}

inline Queue& cpu_queue() {
  static Queue queue = Queue::cpu(4);
  return queue;
}

/// The elements of a host tensor in f64.
inline Tensor widened(const View& from) {
  Tensor made = Tensor::zeros(from.shape(), DType::kF64);
  run(cpu::Backend{}, cpu_queue(), Convert{.x = from, .y = made});
  return made;
}

/// A host tensor rounded to `dtype`.
inline Tensor rounded(const View& from, DType dtype) {
  Tensor made = Tensor::zeros(from.shape(), dtype);
  run(cpu::Backend{}, cpu_queue(), Convert{.x = from, .y = made});
  return made;
}

/// A tensor on both sides: `gpu` holds the values in `dtype`, `exact` the same values in f64 on the
/// host.
struct Both {
  Tensor exact, gpu;
};

inline Both both(const Tensor& drawn_f64, DType dtype) {
  const Tensor stored = rounded(drawn_f64, dtype);
  Both sides{widened(stored), gpu_queue().zeros(stored.shape(), dtype)};
  gpu_queue().upload(sides.gpu, stored.view().raw());
  return sides;
}

/// The same, but on the GPU one element behind where packs of elements may begin.
inline Both shifted(const Both& of) {
  const View& from = of.gpu;
  const size_t size = size_of(from.dtype());
  const Tensor host = gpu_queue().to_host(from);
  const Tensor memory = gpu_queue().zeros({from.count() + 1}, from.dtype());
  const View behind(static_cast<uint8_t*>(memory.view().raw()) + size, from.dtype(), from.shape());
  gpu_queue().upload(behind, host.view().raw());
  return {of.exact, Tensor(behind, std::make_shared<Tensor>(memory))};
}

inline Both random_both(Random& random, const Shape& shape, DType dtype, double low = -1,
                        double high = 1) {
  return both(random.tensor<double>(shape, low, high), dtype);
}

/// Indices, such as tokens: the same on both sides.
inline Both tokens_both(Random& random, const Shape& shape, int64_t count) {
  const Tensor drawn = random.tokens(shape, count);
  Both sides{drawn, gpu_queue().zeros(shape, DType::kI32)};
  gpu_queue().upload(sides.gpu, drawn.view().raw());
  return sides;
}

/// The types of activations on the GPU.
inline constexpr DType kActivationTypes[] = {DType::kF32, DType::kBF16, DType::kF16};

/// As f64 on the host.
inline std::vector<double> exact_values(const View& on_gpu) {
  return elements<double>(widened(gpu_queue().to_host(on_gpu)));
}

/// The state of a step on the GPU.
class GpuState {
 public:
  explicit GpuState(const StepState& start)
      : memory_(gpu_queue().zeros({int64_t{sizeof(StepState)}}, DType::kU8)) {
    gpu_queue().upload(memory_, &start);
  }
  StepState* pointer() const { return static_cast<StepState*>(memory_.view().raw()); }
  StepState value() const {
    StepState state;
    const Tensor host = gpu_queue().to_host(memory_);
    std::memcpy(&state, host.view().raw(), sizeof state);
    return state;
  }

 private:
  Tensor memory_;
};

/// Memory for one output on the GPU.
class GuardedGpu {
 public:
  /// NaN inside (all bits set); `shifted`: one element behind where packs may begin.
  GuardedGpu(const Shape& shape, DType dtype, bool shifted = false)
      : before_(kMargin + (shifted ? static_cast<int64_t>(size_of(dtype)) : 0)),
        memory_(gpu_queue().zeros({before_ + bytes_of(shape, dtype) + kMargin}, DType::kU8)) {
    gpu_queue().fill(memory_, kGuardByte);
    view_ = View(memory_.view().data<uint8_t>() + before_, dtype, shape);
    gpu_queue().fill(view_, 0xFF);
  }
  /// Holds a copy of `start` (on the host), for what is accumulated.
  explicit GuardedGpu(const View& start) : GuardedGpu(start.shape(), start.dtype()) {
    gpu_queue().upload(view_, start.raw());
  }

  const View& view() const { return view_; }
  operator const View&() const { return view_; }  // NOLINT: used where a contract wants a view

  /// As f64 on the host.
  std::vector<double> values() const { return exact_values(view_); }
  std::vector<uint8_t> bits() const {
    const Tensor host = gpu_queue().to_host(view_);
    const auto* bytes = static_cast<const uint8_t*>(host.view().raw());
    return {bytes, bytes + host.view().bytes()};
  }
  bool intact() const {
    const std::vector<uint8_t> all = elements<uint8_t>(gpu_queue().to_host(memory_));
    const auto is_guard = [](uint8_t byte) { return byte == kGuardByte; };
    return std::all_of(all.begin(), all.begin() + before_, is_guard) &&
           std::all_of(all.end() - kMargin, all.end(), is_guard);
  }

 private:
  static constexpr int64_t kMargin = 512;
  static constexpr int kGuardByte = 0xA5;
  static int64_t bytes_of(const Shape& shape, DType dtype) {
    return shape.count() * static_cast<int64_t>(size_of(dtype));
  }

  int64_t before_;  // bytes of guard before the elements
  Tensor memory_;
  View view_;
};

}  // namespace parity
