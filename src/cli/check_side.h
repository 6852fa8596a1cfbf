// One device's half of a check: the same case runs on the CPU in f64 and on a GPU in a shorter
// type, on the same inputs, and leaves its results to be compared.
#pragma once

#include <string>
#include <vector>

#include "lacuna/base/rng.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna::cli {

class Side {
 public:
  /// Inputs are drawn with `seed` and rounded to `tested`; this side stores them in `storage`,
  /// which is f64 or `tested`.
  Side(Queue queue, DType tested, DType storage, uint64_t seed)
      : queue_(std::move(queue)), tested_(tested), storage_(storage), seed_(seed) {}

  Queue& queue() { return queue_; }
  const Queue& queue() const { return queue_; }
  /// The type of activations and of the weights they meet.
  DType storage() const { return storage_; }
  /// The type of statistics, gradients of weights and logits.
  DType wide_type() const { return wide(storage_); }

  /// Uniform in [low, high), in storage(); the k-th call gives the same values on both sides.
  Tensor input(const Shape& shape, double low = -1, double high = 1);
  /// The same in wide_type(), rounded to f32 at most.
  Tensor wide_input(const Shape& shape, double low = -1, double high = 1);
  /// i32 in [0, count).
  Tensor tokens(const Shape& shape, int64_t count);

  /// A result, filled with NaN.
  Tensor output(const std::string& name, const Shape& shape, DType dtype);
  /// A result that begins as `start`.
  void keep(const std::string& name, const Tensor& start) { results_.push_back({name, start}); }

  /// Results that the host has read, a tensor of its own for each.
  void keep_numbers(const std::string& name, const std::vector<double>& numbers);

  struct Result {
    std::string name;
    Tensor values;
  };
  const std::vector<Result>& results() const { return results_; }
  /// One result on the host in f64.
  std::vector<double> read(size_t index) const;

 private:
  Tensor draw(const Shape& shape, double low, double high, DType rounding, DType stored);

  Queue queue_;
  DType tested_, storage_;
  uint64_t seed_;
  uint64_t drawn_ = 0;  // inputs so far
  std::vector<Result> results_;
};

/// How far one result is off: max |got - want| over the larger of max |want| and 0.5; infinite
/// where one is not finite.
double error_of(const Side& got, const Side& want, size_t result);

/// The result that is farthest off.
struct Worst {
  std::string tensor = "-";
  double error = 0;
};
Worst worst_of(const Side& got, const Side& want);

/// How large that may be for results that went through `units` roundings of `dtype`.
double limit_of(DType dtype, double units);

}  // namespace lacuna::cli
