// Parameters by name, in flat storage: values and gradients of all tensors are slices of two
// buffers in reverse order of execution (the order in which gradients become final).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lacuna/autograd/tape.h"

namespace lacuna::nn {

/// A parameter before it has memory. Initial values: `constant`, or normal with mean 0 and standard
/// deviation `std` where that is positive.
struct ParameterSpec {
  std::string name;
  Shape shape;
  double std = 0;
  double constant = 0;
};

/// A parameter's place in the flat buffers.
struct ParameterSlice {
  std::string name;
  Shape shape;
  int64_t offset;  // elements; aligned to 64 bytes
  int64_t count;
  bool decays() const { return shape.rank() > 1; }  // weight decay is for matrices only
};

class ParameterStore {
 public:
  /// `specs` in order of execution, names distinct. Values are zero until initialise() or a load.
  ParameterStore(const std::vector<ParameterSpec>& specs, DType dtype, bool with_gradients);

  /// Draws all initial values, a pure function of (seed, specs).
  void initialise(const std::vector<ParameterSpec>& specs, uint64_t seed);

  /// The parameter called `name`; throws Error(kInternal) for an unknown one.
  Parameter at(const std::string& name) const;
  /// The slice of one parameter in a buffer shaped like values().
  static View slice_of(const View& flat, const ParameterSlice& slice);

  const std::vector<ParameterSlice>& slices() const { return slices_; }  // in order of execution
  const View& values() const { return values_.view(); }
  const View& gradients() const { return gradients_.view(); }  // absent without gradients
  int64_t flat_count() const { return flat_count_; }           // with padding
  DType dtype() const { return values_.dtype(); }

 private:
  std::vector<ParameterSlice> slices_;
  std::map<std::string, size_t> index_;
  int64_t flat_count_ = 0;
  Tensor values_, gradients_;
};

/// Sum of the sizes of all parameters.
int64_t parameter_count(const std::vector<ParameterSpec>& specs);

}  // namespace lacuna::nn
