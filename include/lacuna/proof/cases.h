// Which entries `lacuna check` compares and `lacuna bench layers` times, at which sizes.
#pragma once

#include "lacuna/proof/catalogue.h"

namespace lacuna::proof {

struct CheckCase {
  std::string name;
  std::vector<Entry> entries;
};

/// Every kernel of training and of sampling over ragged sizes, attention over all patterns and
/// several head sizes.
std::vector<CheckCase> check_cases();

/// Attention whose results must agree on one device: a dense pattern, and the same one cut into
/// blocks.
struct SameCase {
  std::string name;
  Entry one, other;
};
std::vector<SameCase> same_cases();

/// One kernel at one size of the paper's models.
struct BenchCase {
  std::string kernel, size;
  Entry entry;
};

/// All kernels bound by memory, with activations of this type.
std::vector<BenchCase> bench_cases(DType activations);

}  // namespace lacuna::proof
