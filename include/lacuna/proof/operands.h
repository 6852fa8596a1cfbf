// What an entry of the catalogue asks for its operands: it names each, says what it holds and how
// it is used, and gets a view. Who asks decides what stands behind it: Side (proof/side.h) for
// comparisons, TimedOperands (proof/timed.h) for timing.
#pragma once

#include <functional>
#include <string>

#include "lacuna/proof/on_device.h"
#include "lacuna/proof/tolerance.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna::proof {

/// What an operand holds decides its element type.
enum class Holds : uint8_t {
  kActivations,  // also the weights that they are multiplied with
  kWide,     // what stays f32 beside 16 bits: statistics, logits, gradients of weights; else the
             // type of activations
  kRounded,  // f16 beside f16, else bf16
  kBF16,
  kF64,
  kIndices,  // i32 in [0, values.high)
  kMarks,    // u8, 0 or 1
};

/// Numbers are drawn uniform in [low, high), and with a step as multiples of it: sums and products
/// of few of them are then exact in f32 as in f64.
struct Range {
  double low = -1, high = 1, step = 0;
};

struct Operand {
  enum class Use : uint8_t { kRead, kWritten, kUpdated };

  std::string name;
  Shape shape;
  Holds holds;
  Use use;
  Range values;
};

/// Owns the memory of the operands that it gives.
class Operands {
 public:
  Operands(Queue queue, DType activations)
      : queue_(std::move(queue)),
        memory_(queue_.is_dry() ? Queue::cpu(1) : queue_),
        activations_(activations) {}
  virtual ~Operands() = default;
  Operands(const Operands&) = delete;
  Operands& operator=(const Operands&) = delete;

  const Queue& queue() const { return queue_; }
  /// Where the operands lie: on the queue's device; in host memory when it is dry.
  const Queue& memory() const { return memory_; }
  DType type_of(Holds holds) const;

  /// Read, and drawn at random.
  View input(const std::string& name, const Shape& shape, Range values = {},
             Holds holds = Holds::kActivations);
  View wide_input(const std::string& name, const Shape& shape, Range values = {}) {
    return input(name, shape, values, Holds::kWide);
  }
  View indices(const std::string& name, const Shape& shape, int64_t count) {
    return input(name, shape, {0, static_cast<double>(count)}, Holds::kIndices);
  }
  /// Overwritten, and compared as it is.
  View output(const std::string& name, const Shape& shape, const Tolerance& tolerance,
              Holds holds = Holds::kActivations);
  /// Read and written, drawn at random, and compared as it is.
  View updated(const std::string& name, const Shape& shape, const Tolerance& tolerance,
               Holds holds = Holds::kWide, Range values = {});
  /// Overwritten; what of it is compared, compare() says.
  View space(const std::string& name, const Shape& shape, Holds holds = Holds::kActivations);
  /// A struct that contracts point to.
  template <class T>
  OnDevice<T> put(const T& start) const {
    return OnDevice<T>(memory_, start);
  }

  /// The bytes that must be moved at least: what is read or written once, what is updated twice.
  double bytes() const { return bytes_; }

  /// Compares, after the launch, a part of an operand, on a scale of its own.
  virtual void compare(const std::string& /*name*/, const Tolerance& /*tolerance*/,
                       const View& /*part*/) {}
  /// Compares a number that the host reads after the launch.
  virtual void compare_number(const std::string& /*name*/, const Tolerance& /*tolerance*/,
                              std::function<double()> /*read*/) {}
  /// On the reference's side: an output as the tested side has stored it, in f64; else absent. For
  /// results that are functions of one that has been rounded.
  virtual Tensor as_tested(const std::string& /*output*/) const { return {}; }

 protected:
  virtual View place(const Operand& operand) = 0;

 private:
  View counted(const Operand& operand);

  Queue queue_, memory_;
  DType activations_;
  double bytes_ = 0;
};

}  // namespace lacuna::proof
