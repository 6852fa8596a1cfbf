// launch(queue, contract): the one way to run an op. A contract is a plain struct of views; each
// backend overloads run(Backend, Queue&, const Contract&) in its own namespace, where the tag lets
// the call be found, so a backend that is missing an op fails to link and names it.
#pragma once

#include "lacuna/tensor/runtime.h"

namespace lacuna {

namespace cpu {
struct Backend {};
}  // namespace cpu

namespace cuda {
struct Backend {};
}  // namespace cuda

#ifdef LACUNA_WITH_CUDA
inline constexpr bool kWithCuda = true;
#else
inline constexpr bool kWithCuda = false;
#endif

template <class Contract>
void launch(Queue& queue, const Contract& contract) {
  if (queue.is_dry()) return;
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) return run(cuda::Backend{}, queue, contract);
  }
  run(cpu::Backend{}, queue, contract);
}

}  // namespace lacuna
