// Which entries `lacuna check` compares and `lacuna bench layers` times, at which sizes.
#pragma once

#include "lacuna/proof/catalogue.h"
#include "lacuna/proof/side.h"

namespace lacuna::proof {

struct CheckCase {
  std::string name;
  std::vector<Entry> entries;
  // How far results may be off in f32: at these sizes, of at most 771 rows, sums err by less than
  // the table of tolerances allows for thousands.
  double most_in_f32 = 80 * kUnit32;
};

/// The results of all entries of a case on the device behind `tested`, held against those on `cpu`.
std::vector<Finding> findings(const CheckCase& check, const Queue& tested, DType dtype,
                              uint64_t seed, const Queue& cpu);

/// Every kernel of training and of sampling over ragged sizes, attention over all patterns and
/// several head sizes.
std::vector<CheckCase> check_cases();

/// Attention whose results must agree on one device: a dense pattern, and the same one cut into
/// blocks.
struct SameCase {
  std::string name;
  Entry one, other;
};
/// Their results on one device, held against each other.
std::vector<Finding> findings(const SameCase& same, const Queue& tested, DType dtype,
                              uint64_t seed);
std::vector<SameCase> same_cases();

/// One kernel at one size of the paper's models.
struct BenchCase {
  std::string kernel, size;
  Entry entry;
};

/// All kernels bound by memory, with activations of this type.
std::vector<BenchCase> bench_cases(DType activations);

}  // namespace lacuna::proof
