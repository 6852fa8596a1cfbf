// From a dtype at run time to an element type: the closed list that the CPU computes in.
#pragma once

#include "lacuna/base/error.h"
#include "lacuna/tensor/dtype.h"

namespace lacuna::cpu {

/// Calls body(T{}) with T = double or float.
template <class Body>
void with_float_type(DType dtype, const char* op, const Body& body) {
  if (dtype == DType::kF64) return body(double{});
  require(dtype == DType::kF32, op, "the CPU computes in f64 and f32 only");
  body(float{});
}

}  // namespace lacuna::cpu
