// How fast a device does what a training step consists of: the table from which seconds are
// estimated where nothing can be measured. src/train/rates.def holds what is shipped; `lacuna bench
// rates` measures the same table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lacuna/tensor/runtime.h"

namespace lacuna::train {

/// Work of `amount` takes start + amount / per_second seconds. The amount of products and of
/// attention is in floating-point operations, of everything else in bytes read and written.
struct Rate {
  double per_second = 0;
  double start = 0;   // seconds
  double beside = 0;  // attention: keys that a query of a pass costs besides those it attends

  double seconds(double amount) const { return start + amount / per_second; }
};

/// By what is done, such as "seam forward", or "product forward 512" for products whose smaller
/// width is 512 and "attention forward 64" for heads whose mean width (of keys and values) is 64.
using Rates = std::map<std::string, Rate>;

/// The one called "`what` W" whose W is nearest to `width` in proportion. Throws Error(kInternal)
/// when there is none. Products between two widths take the mean in proportion.
Rate rate_of_width(const Rates& rates, const std::string& what, double width);

/// A GPU that plans can be made for without having it.
struct KnownGpu {
  std::string name;      // "h200"
  size_t memory = 0;     // bytes in all
  size_t context = 0;    // bytes that the CUDA context and this program's code hold
  size_t workspace = 0;  // bytes of a queue
  int capability = 0;    // 90 for compute capability 9.0
};
/// Throws Error(kUsage) with the nearest known name.
KnownGpu known_gpu(const std::string& name);
/// Its rates with activations of this type; f16 has those of bf16.
Rates known_rates(const std::string& gpu, DType dtype);
/// Whether any of them was measured; else all are derived.
bool rates_are_measured(const std::string& gpu, DType dtype);

/// Measures the table on the queue's device with activations of this type; `between` is called
/// between two measurements and may throw.
Rates measure_rates(const Queue& queue, DType dtype, const std::function<void()>& between);
/// The lines of src/train/rates.def for this table.
std::string rates_text(const Rates& rates, const std::string& gpu, DType dtype,
                       const std::string& source);

}  // namespace lacuna::train
