// launch(queue, contract): the one way to run an op. A contract is a plain struct of views; each
// backend overloads run(Backend, Queue&, const Contract&) in its own namespace, where the tag lets
// the call be found, so a backend that is missing an op fails to link and names it.
#pragma once

#include <string_view>

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

/// The name of a contract as it is written, such as "LinearForward".
template <class Contract>
std::string_view contract_name() {
  std::string_view text =
      __PRETTY_FUNCTION__;  // "... [with Contract = NAME; ...", qualified or not
  text.remove_prefix(text.find("Contract = ") + std::string_view("Contract = ").size());
  text = text.substr(0, text.find_first_of(";]"));
  return text.substr(text.rfind(':') + 1);
}

template <class Contract>
void launch(Queue& queue, const Contract& contract) {
  if (queue.is_dry()) return;
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) {
      run(cuda::Backend{}, queue, contract);
      return queue.stream().launched(contract_name<Contract>());
    }
  }
  run(cpu::Backend{}, queue, contract);
}

}  // namespace lacuna
