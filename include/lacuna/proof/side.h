// One device's half of a comparison: an entry is made and run on the CPU in f64 and on a device in
// a shorter type, on the same inputs, and their results are held against each other. Outputs begin
// as NaN, and all operands lie between margins that nobody may touch.
#pragma once

#include <vector>

#include "lacuna/proof/catalogue.h"

namespace lacuna::proof {

class Side : public Operands {
 public:
  /// The tested side: inputs are drawn with `seed` and stored in `dtype`. The operand named
  /// `shifted`, or all for "*", lies one element behind where packs of elements may begin.
  Side(Queue queue, DType dtype, uint64_t seed, std::string shifted = "")
      : Side(std::move(queue), dtype, dtype, seed, std::move(shifted), nullptr) {}
  /// The reference in f64 for `tested`, which has run and outlives it: the same inputs.
  Side(Queue queue, const Side& tested)
      : Side(std::move(queue), tested.tested_, DType::kF64, tested.seed_, "", &tested) {}

  struct Result {
    std::string name;
    Tolerance tolerance;
    std::function<std::vector<double>()> read;
  };
  const std::vector<Result>& results() const { return results_; }
  /// A result by name, in f64.
  std::vector<double> values(const std::string& result) const;
  /// An operand by name.
  const View& operand(const std::string& name) const { return placed(name).view; }
  /// The bytes of one output; of all outputs, and of the numbers that the host reads.
  std::vector<uint8_t> bits(const std::string& output) const;
  std::vector<uint8_t> bits() const;
  /// Whether all margins are as they were.
  bool intact() const;
  DType tested() const { return tested_; }

  void compare(const std::string& name, const Tolerance& tolerance, const View& part) override;
  void compare_number(const std::string& name, const Tolerance& tolerance,
                      std::function<double()> read) override;
  Tensor as_tested(const std::string& output) const override;

 protected:
  View place(const Operand& operand) override;

 private:
  struct Placed {
    Operand operand;
    Tensor memory;  // with margins
    View view;
  };

  Side(Queue queue, DType tested, DType stored, uint64_t seed, std::string shifted,
       const Side* reference_of)
      : Operands(std::move(queue), stored),
        tested_(tested),
        seed_(seed),
        shifted_(std::move(shifted)),
        reference_of_(reference_of) {}
  Tensor drawn(const Operand& operand, DType stored);
  const Placed& placed(const std::string& name) const;
  std::vector<uint8_t> bytes_at(const View& view) const;

  DType tested_;
  uint64_t seed_;
  std::string shifted_;
  const Side* reference_of_;
  uint64_t drawn_ = 0;  // operands so far
  std::vector<Placed> placed_;
  std::vector<Result> results_;
  std::vector<std::function<double()>> numbers_;
};

/// How far one result is off, and how far it may be.
struct Finding {
  std::string result;
  double error, limit;

  bool good() const { return error <= limit; }
  /// error / limit.
  double share() const { return error == 0 ? 0 : error / limit; }
};

/// All results of `got` against `want`, and, infinitely off, the margins of `got` if one is broken.
std::vector<Finding> findings(const Side& got, const Side& want);
/// The same of an entry that runs on the tested side and on a reference on `cpu`.
std::vector<Finding> findings(const Entry& entry, Side& tested, const Queue& cpu);

/// Numbers uniform in [low, high), f64, or indices below high, i32, or marks, u8: a pure function
/// of its arguments. On the host.
Tensor drawn(const Shape& shape, Holds holds, Range values, uint64_t seed, uint64_t number);
/// A host tensor in another type.
Tensor converted(const View& host, DType dtype);

}  // namespace lacuna::proof
