// Parameters by name, in flat storage: values and gradients of all tensors are slices of two
// buffers in reverse order of execution (the order in which gradients become final). Where ops
// compute in bf16 or f16, the values proper stay in f32 and a third buffer holds them rounded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lacuna/autograd/tape.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna::nn {

/// A parameter before it has memory. Initial values: `constant`, or normal with mean 0 and standard
/// deviation `std` where that is positive.
struct ParameterSpec {
  std::string name;
  Shape shape;
  double std = 0;
  double constant = 0;
  bool precise = false;  // ops read it unrounded: gains and biases of norms, and embeddings
};

inline constexpr int64_t kAlignElements = 16;  // of the slices; 64 bytes of f32

/// A parameter's place in the flat buffers.
struct ParameterSlice {
  std::string name;
  Shape shape;
  int64_t offset;  // elements; a multiple of kAlignElements
  int64_t count;
  bool precise;
  bool decays() const { return shape.rank() > 1; }  // weight decay is for matrices only
};

class ParameterStore {
 public:
  /// In memory of the queue's device. `specs` in order of execution, names distinct. `dtype` is
  /// what ops compute in: f64, f32, bf16 or f16. Values are zero until initialise() or a load. The
  /// flat buffers can be cut into `parts` equal parts of whole groups of kAlignElements.
  ParameterStore(const Queue& queue, const std::vector<ParameterSpec>& specs, DType dtype,
                 bool with_gradients, int64_t parts = 1);
  /// In host memory.
  ParameterStore(const std::vector<ParameterSpec>& specs, DType dtype, bool with_gradients)
      : ParameterStore(Queue::cpu(1), specs, dtype, with_gradients) {}

  /// Draws all initial values, a pure function of (seed, specs).
  void initialise(const std::vector<ParameterSpec>& specs, uint64_t seed);
  /// To be called after values() have changed by other means than an optimizer.
  void round();

  /// The parameter called `name` as ops read it; throws Error(kInternal) for an unknown one.
  Parameter at(const std::string& name) const;
  /// The slice of one parameter in a buffer shaped like values().
  static View slice_of(const View& flat, const ParameterSlice& slice);

  const std::vector<ParameterSlice>& slices() const { return slices_; }  // in order of execution
  const View& values() const { return values_.view(); }
  const View& gradients() const { return gradients_.view(); }  // absent without gradients
  const View& rounded() const { return rounded_.view(); }      // absent when values() are read
  int64_t flat_count() const { return flat_count_; }           // with all padding
  int64_t used_count() const { return used_count_; }           // without that for equal parts
  DType dtype() const { return values_.dtype(); }  // of values() and gradients(): f64 or f32
  /// What activations are stored in.
  DType compute_dtype() const { return rounded_.present() ? rounded_.dtype() : values_.dtype(); }
  const Queue& queue() const { return queue_; }

 private:
  Queue queue_;
  std::vector<ParameterSlice> slices_;
  std::map<std::string, size_t> index_;
  int64_t used_count_ = 0, flat_count_ = 0;
  Tensor values_, gradients_, rounded_;
};

/// Sum of the sizes of all parameters.
int64_t parameter_count(const std::vector<ParameterSpec>& specs);

}  // namespace lacuna::nn
