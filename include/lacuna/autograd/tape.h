// Reverse-mode differentiation as an explicit object. An op computes its result, then records how
// its inputs' gradients follow from its output's. backward() runs the records in reverse and drops
// each one, and with it the memory it kept, as soon as it has run.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lacuna/autograd/saved.h"
#include "lacuna/tensor/memory.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna {

/// A weight and where its gradient is accumulated (absent when no backward pass will follow).
struct Parameter {
  View value;
  View gradient;
};

/// A value on a tape. Copies share memory and gradient.
struct Variable {
  Tensor value;
  int64_t slot = -1;  // of its gradient; -1: none is wanted
  Result result;      // how the backward pass comes by the value; only while a tape records

  const Shape& shape() const { return value.shape(); }
  bool present() const { return value.present(); }
  /// A claim of an op's backward pass on the value.
  Saved saved() const { return {result, value}; }
  /// The same variable without its value: for those who contribute to its gradient.
  Variable without_value() const { return {{}, slot, {}}; }
};

class Tape {
 public:
  enum class Mode : uint8_t {
    kRecord,   // for a backward pass
    kForward,  // keeps nothing for one
  };

  /// Queue and arena must outlive the tape.
  Tape(Queue& queue, Arena& arena, Mode mode) : queue_(queue), arena_(arena), mode_(mode) {}

  Queue& queue() { return queue_; }
  /// Another tape in the same memory that records nothing.
  Tape forward_only() const { return {queue_, arena_, Mode::kForward}; }
  bool records() const { return mode_ == Mode::kRecord; }

  Tensor allocate(const Shape& shape, DType dtype, MemoryTag tag) {
    return arena_.allocate(shape, dtype, tag);
  }
  /// A new value whose gradient the tape will hold; `result` is how to make it again. Without one
  /// the value is held as long as anything refers to it.
  Variable variable(Tensor value, Result result);
  Variable variable(Tensor value);
  /// How the results of an op are made again; absent when nothing will ask for them.
  std::shared_ptr<Replay> replay(size_t outputs, Replay::Run run);

  /// Adds a record; it runs once, after the records of everything computed from its outputs. Only
  /// when records().
  void record(std::function<void()> backward) { records_.push_back(std::move(backward)); }

  /// The gradient of an op's result, handed over. Throws Error(kInternal) when nothing contributed
  /// to it: the result was never used.
  Tensor take_gradient(const Variable& variable);
  /// The same for a result that need not be used: absent when nothing contributed to it.
  Tensor take_gradient_if_any(const Variable& variable);
  /// Contributes to the gradient of a variable. The tape owns `gradient` from now on: the same
  /// memory must not be given for two variables.
  void add_gradient(const Variable& variable, Tensor gradient);

  /// Runs all records. The gradients of the results must have been added before.
  void backward();

 private:
  Queue& queue_;
  Arena& arena_;
  Mode mode_;
  std::vector<Tensor> gradients_;
  std::vector<std::function<void()>> records_;
};

}  // namespace lacuna
