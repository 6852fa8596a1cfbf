// How an entry is made of a function from operands to a contract.
#pragma once

#include "lacuna/base/text.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/proof/catalogue.h"

namespace lacuna::proof {

/// A launch of `op`, which shares the ownership of `kept`.
template <class Contract>
Launch launching(const Operands& operands, const Contract& op,
                 std::shared_ptr<const void> kept = nullptr) {
  return [queue = operands.queue(), op, kept]() mutable { launch(queue, op); };
}

/// `contract_of(operands)` gives the contract; its name, `sizes` and `variant`, such as ", in
/// place", give the entry's.
template <class ContractOf>
Entry entry(const Shape& sizes, const ContractOf& contract_of, const std::string& variant = "") {
  using Contract = decltype(contract_of(std::declval<Operands&>()));
  return {.name = str(contract_name<Contract>(), " ", sizes.text(), variant),
          .make = [contract_of](Operands& o) { return launching(o, contract_of(o)); }};
}

}  // namespace lacuna::proof
