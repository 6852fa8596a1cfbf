#include "lacuna/proof/operands.h"

#include "lacuna/proof/catalogue.h"

namespace lacuna::proof {
namespace {

// Views without memory, for counting, but for indices, which an entry may read or poison.
class Shapes : public Operands {
 public:
  explicit Shapes(DType activations) : Operands(Queue::dry(), activations) {}

 protected:
  View place(const Operand& operand) override {
    const DType dtype = type_of(operand.holds);
    if (operand.holds != Holds::kIndices) return {nullptr, dtype, operand.shape};
    return kept_.emplace_back(memory().zeros(operand.shape, dtype));
  }

 private:
  std::vector<Tensor> kept_;
};

}  // namespace

DType Operands::type_of(Holds holds) const {
  switch (holds) {
    case Holds::kActivations:
      return activations_;
    case Holds::kWide:
      return wide(activations_);
    case Holds::kRounded:
      return activations_ == DType::kF16 ? DType::kF16 : DType::kBF16;
    case Holds::kBF16:
      return DType::kBF16;
    case Holds::kF64:
      return DType::kF64;
    case Holds::kIndices:
      return DType::kI32;
    case Holds::kMarks:
      return DType::kU8;
  }
  throw Error(ErrorKind::kInternal, "Operands", "an operand that holds nothing known");
}

View Operands::counted(const Operand& operand) {
  const View view = place(operand);
  const double times = operand.use == Operand::Use::kUpdated ? 2 : 1;
  bytes_ += times * static_cast<double>(view.bytes());
  return view;
}

View Operands::input(const std::string& name, const Shape& shape, Range values, Holds holds) {
  return counted({name, shape, holds, Operand::Use::kRead, values});
}

View Operands::output(const std::string& name, const Shape& shape, const Tolerance& tolerance,
                      Holds holds) {
  const View view = space(name, shape, holds);
  compare(name, tolerance, view);
  return view;
}

View Operands::updated(const std::string& name, const Shape& shape, const Tolerance& tolerance,
                       Holds holds, Range values) {
  const View view = counted({name, shape, holds, Operand::Use::kUpdated, values});
  compare(name, tolerance, view);
  return view;
}

View Operands::space(const std::string& name, const Shape& shape, Holds holds) {
  return counted({name, shape, holds, Operand::Use::kWritten, {}});
}

double bytes_of(const Entry& entry, DType activations) {
  Shapes shapes(activations);
  entry.make(shapes);
  return shapes.bytes();
}

}  // namespace lacuna::proof
