// The frame of every optimizer on the CPU: chunks of a flat range, each by one thread, in which the
// weights are updated group by group and then, still in the cache, averaged and rounded.
#pragma once

#include <algorithm>

#include "lacuna/kernels/flat_range.h"
#include "parallel.h"

namespace lacuna::cpu {

/// average and rounded of elements [begin, end), whose weights are new.
template <class T>
void finish_weights(const FlatRange& range, const StepState& state, int64_t begin, int64_t end) {
  const T* weight = range.weight.data<T>();
  if (range.average.present()) {
    T* average = range.average.data<T>();
    const T keep = T(state.average_decay), fresh = T(1 - state.average_decay);
    for (int64_t i = begin; i < end; ++i) average[i] = keep * average[i] + fresh * weight[i];
  }
  if (!range.rounded.present()) return;
  if (range.rounded.dtype() == DType::kF16) {
    auto* rounded = range.rounded.data<Float16>();
    for (int64_t i = begin; i < end; ++i) rounded[i] = to_f16(static_cast<float>(weight[i]));
  } else {
    auto* rounded = range.rounded.data<BFloat16>();
    for (int64_t i = begin; i < end; ++i) rounded[i] = to_bf16(static_cast<float>(weight[i]));
  }
}

/// Calls update(first, last, shrink) for every group of elements, shrink being `decay` where
/// `decays` (absent: everywhere) marks the group, and finishes the weights.
template <class T, class Update>
void update_range(const Queue& queue, const FlatRange& range, const View& decays, double decay,
                  const StepState& state, const Update& update) {
  constexpr int64_t kChunk = 1 << 13;
  static_assert(kChunk % kDecayGroup == 0);
  const uint8_t* marks = decays.present() ? decays.data<uint8_t>() : nullptr;
  parallel_chunks(queue, range.weight.count(), kChunk, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kDecayGroup) {
      const bool marked = marks == nullptr || marks[first / kDecayGroup] != 0;
      update(first, std::min(end, first + kDecayGroup), marked ? T(decay) : T(0));
    }
    finish_weights<T>(range, state, begin, end);
  });
}

}  // namespace lacuna::cpu
