// The frame of every optimizer on the GPU: one thread updates kCount neighbours of a flat range,
// all f32, and averages and rounds them (bf16 or f16) while they are in registers. Everything of
// the step is read from StepState on the device. An optimizer is a struct with
//   template <int kCount> __device__ void update(Pack<float, kCount>& weight,
//       const Pack<float, kCount>& gradient, bool decays, const StepState& state, int64_t at) const
// which updates its own buffers, too. All it loads, it loads before it stores, so that the accesses
// of a thread overlap.
#pragma once

#include <initializer_list>

#include "../dispatch.h"
#include "../launch_kernel.h"
#include "elements.cuh"
#include "lacuna/kernels/flat_range.h"

namespace lacuna::cuda {

/// A FlatRange and its marks of decay, for kernels. average, rounded, decays: may be null.
template <class Rounded>
struct RangePointers {
  float* weight;
  const float* gradient;
  float* average;
  Rounded* rounded;
  const uint8_t* decays;
  int64_t count;
};

template <int kCount, class Rounded, class Optimizer>
__device__ void update_pack(const RangePointers<Rounded>& range, const Optimizer& optimizer,
                            const StepState& state, int64_t at) {
  Pack<float, kCount> weight = load<kCount>(range.weight + at);
  const Pack<float, kCount> gradient = load<kCount>(range.gradient + at);
  Pack<float, kCount> average{};
  if (range.average != nullptr) average = load<kCount>(range.average + at);
  const bool decays = range.decays == nullptr || range.decays[at / kDecayGroup] != 0;
  optimizer.template update<kCount>(weight, gradient, decays, state, at);
  store<kCount>(range.weight + at, weight);
  if (range.average != nullptr) {
    const auto keep = static_cast<float>(state.average_decay);
    const auto fresh = static_cast<float>(1 - state.average_decay);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      average.at[i] = keep * average.at[i] + fresh * weight.at[i];
    }
    store<kCount>(range.average + at, average);
  }
  if (range.rounded != nullptr) {
    Pack<Rounded, kCount> rounded;
#pragma unroll
    for (int i = 0; i < kCount; ++i) rounded.at[i] = from_f32<Rounded>(weight.at[i]);
    store<kCount>(range.rounded + at, rounded);
  }
}

inline constexpr int kUpdateThreads = 256, kUpdatePack = 4;
static_assert(kDecayGroup % kUpdatePack == 0);

template <int kCount, class Rounded, class Optimizer>
__global__ __launch_bounds__(kUpdateThreads) void update_kernel(RangePointers<Rounded> range,
                                                                Optimizer optimizer,
                                                                const StepState* state) {
  follow_previous();
  if (state->skipped != 0) return;
  const int64_t at = (int64_t{blockIdx.x} * kUpdateThreads + threadIdx.x) * kCount;
  if (at + kCount <= range.count) {
    update_pack<kCount>(range, optimizer, *state, at);
  } else {
    for (int64_t i = at; i < range.count; ++i) update_pack<1>(range, optimizer, *state, i);
  }
}

/// Launches it for a range that is not empty. `buffers` are the optimizer's own, which packs are
/// read from, too. `op` names the contract and `kernel` what runs, in messages.
template <class Optimizer>
void update_range(GpuStream& stream, const char* op, const char* kernel, const FlatRange& range,
                  const View& decays, const Optimizer& optimizer,
                  std::initializer_list<const View*> buffers, const StepState* state) {
  const auto launch = [&](auto rounded) {
    using Rounded = decltype(rounded);
    const RangePointers<Rounded> flat{
        pointer<float>(range.weight, op),  pointer<float>(range.gradient, op),
        pointer<float>(range.average, op), pointer<Rounded>(range.rounded, op),
        pointer<uint8_t>(decays, op),      range.weight.count()};
    bool aligned = true;
    for (const View* buffer : buffers) {
      aligned = aligned && reinterpret_cast<uintptr_t>(buffer->raw()) % 16 == 0;
    }
    with_pack_width<kUpdatePack>(
        aligned ? 0 : 1, {flat.weight, flat.gradient, flat.average, flat.rounded}, [&](auto count) {
          const int64_t blocks = divide_up(flat.count, int64_t{kUpdateThreads} * count);
          launch_kernel(stream, kernel, update_kernel<count, Rounded, Optimizer>,
                        static_cast<unsigned>(blocks), kUpdateThreads, 0, flat, optimizer, state);
        });
  };
  if (range.rounded.present() && range.rounded.dtype() == DType::kF16) return launch(__half{});
  launch(__nv_bfloat16{});
}

}  // namespace lacuna::cuda
