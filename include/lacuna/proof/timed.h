// Operands to be timed with: random, and made fast however large they are.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "lacuna/proof/operands.h"

namespace lacuna::proof {

/// Random numbers in the memory of a queue's device, for all that is timed on it.
class Noise {
 public:
  explicit Noise(Queue queue) : queue_(std::move(queue)) {}

  const Queue& queue() const { return queue_; }
  /// 4M numbers of a range, f32; lives as long as this object.
  View of(Range values);

 private:
  Queue queue_;
  std::map<std::array<double, 3>, Tensor> numbers_;
};

/// Numbers repeat after 4M elements; what is only written begins as zero, marks are set.
class TimedOperands : public Operands {
 public:
  /// `noise` must outlive it.
  TimedOperands(Noise& noise, DType activations)
      : Operands(noise.queue(), activations), noise_(noise) {}

 protected:
  View place(const Operand& operand) override;

 private:
  Noise& noise_;
  std::vector<Tensor> kept_;
};

}  // namespace lacuna::proof
