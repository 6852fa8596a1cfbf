#include "lacuna/proof/side.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "lacuna/base/error.h"
#include "lacuna/base/resources.h"
#include "lacuna/base/rng.h"
#include "lacuna/kernels/elementwise.h"

namespace lacuna::proof {
namespace {

constexpr int64_t kMargin = 512;  // bytes, on both sides
constexpr uint8_t kMarginByte = 0xA5;

// Appends the elements of a view from dimension `dim` on, whose first is at `from`.
void append(const View& view, int dim, const double* from, std::vector<double>& to) {
  if (dim == view.shape().rank()) return to.push_back(*from);
  if (dim == 0 && view.contiguous()) return to.assign(from, from + view.count());
  for (int64_t i = 0; i < view.size(dim); ++i)
    append(view, dim + 1, from + i * view.stride(dim), to);
}

}  // namespace

Tensor converted(const View& host, DType dtype) {
  const Tensor made = Tensor::zeros(host.shape(), dtype);
  Queue queue = Queue::cpu(available_threads());
  launch(queue, Convert{.x = host, .y = made});
  return made;
}

Tensor drawn(const Shape& shape, Holds holds, Range values, uint64_t seed, uint64_t number) {
  const PhiloxKey key = random_key(seed, RandomUse::kData, number);
  // Two of a block of random words.
  const auto filled = [&](DType dtype, auto value_of) {
    const Tensor made = Tensor::zeros(shape, dtype);
    auto* to = static_cast<decltype(value_of(0U, 0U))*>(made.view().raw());
    const int64_t count = shape.count();
#pragma omp parallel for if (count > 100'000)
    for (int64_t i = 0; i < count; i += 2) {
      const PhiloxCounter words = random_words(key, static_cast<uint64_t>(i), 0, 0);
      to[i] = value_of(words[0], words[1]);
      if (i + 1 < count) to[i + 1] = value_of(words[2], words[3]);
    }
    return made;
  };
  const auto below = static_cast<uint32_t>(values.high);
  if (holds == Holds::kIndices) {
    return filled(DType::kI32, [=](uint32_t word, uint32_t) { return int32_t(word % below); });
  }
  if (holds == Holds::kMarks) {
    return filled(DType::kU8, [](uint32_t word, uint32_t) { return uint8_t(word % 2); });
  }
  return filled(DType::kF64, [=](uint32_t high, uint32_t low) {
    const double value = values.low + (values.high - values.low) * uniform_double(high, low);
    return values.step > 0 ? std::round(value / values.step) * values.step : value;
  });
}

Tensor Side::drawn(const Operand& operand, DType stored) {
  const Tensor made = proof::drawn(operand.shape, operand.holds, operand.values, seed_, drawn_++);
  if (made.dtype() != DType::kF64) return made;
  // As the tested side rounds it.
  const DType rounded = operand.holds == Holds::kActivations ? tested_
                        : operand.holds == Holds::kWide      ? wide(tested_)
                                                             : DType::kF64;
  return converted(converted(made, rounded), stored);
}

View Side::place(const Operand& operand) {
  const DType dtype = type_of(operand.holds);
  const auto size = static_cast<int64_t>(size_of(dtype));
  const bool shifts = shifted_ == "*" || shifted_ == operand.name;
  const int64_t before = kMargin + (shifts ? size : 0);
  const Tensor bytes =
      memory().zeros({before + operand.shape.count() * size + kMargin}, DType::kU8);
  memory().fill(bytes, kMarginByte);
  const View view(bytes.view().data<uint8_t>() + before, dtype, operand.shape);
  if (operand.use == Operand::Use::kWritten) {
    memory().fill(view, 0xFF);  // NaN
  } else {
    memory().upload(view, drawn(operand, dtype).view().raw());
  }
  placed_.push_back({operand, bytes, view});
  return view;
}

const Side::Placed& Side::placed(const std::string& name) const {
  const auto found = std::find_if(placed_.begin(), placed_.end(),
                                  [&](const Placed& p) { return p.operand.name == name; });
  require(found != placed_.end(), "Side", "there is no operand of this name");
  return *found;
}

void Side::compare(const std::string& name, const Tolerance& tolerance, const View& part) {
  // Elements from the beginning of an operand to the part; beyond its count for a part of another.
  const auto offset_in = [&](const View& whole) {
    return (reinterpret_cast<uintptr_t>(part.raw()) - reinterpret_cast<uintptr_t>(whole.raw())) /
           size_of(whole.dtype());
  };
  const auto found = std::find_if(placed_.begin(), placed_.end(), [&](const Placed& p) {
    return offset_in(p.view) < static_cast<size_t>(p.view.count());
  });
  require(found != placed_.end(), "Side", "what is compared is no part of an operand");
  const View whole = found->view;
  const auto read = [queue = memory(), part, whole, offset = offset_in(whole)] {
    const Tensor host = converted(queue.to_host(whole), DType::kF64);
    std::vector<double> values;
    append(part, 0, host.view().data<double>() + offset, values);
    return values;
  };
  results_.push_back({name, tolerance, read});
}

void Side::compare_number(const std::string& name, const Tolerance& tolerance,
                          std::function<double()> read) {
  numbers_.push_back(read);
  results_.push_back({name, tolerance, [read] { return std::vector<double>{read()}; }});
}

Tensor Side::as_tested(const std::string& output) const {
  if (reference_of_ == nullptr) return {};
  return converted(reference_of_->memory().to_host(reference_of_->operand(output)), DType::kF64);
}

std::vector<double> Side::values(const std::string& result) const {
  const auto found = std::find_if(results_.begin(), results_.end(),
                                  [&](const Result& r) { return r.name == result; });
  require(found != results_.end(), "Side", "there is no result of this name");
  return found->read();
}

std::vector<uint8_t> Side::bytes_at(const View& view) const {
  std::vector<uint8_t> bytes(view.bytes());
  memory().read(view, bytes.data());
  return bytes;
}

std::vector<uint8_t> Side::bits(const std::string& output) const {
  return bytes_at(placed(output).view);
}

std::vector<uint8_t> Side::bits() const {
  std::vector<uint8_t> all;
  for (const Placed& p : placed_) {
    if (p.operand.use == Operand::Use::kRead) continue;
    const std::vector<uint8_t> of_one = bytes_at(p.view);
    all.insert(all.end(), of_one.begin(), of_one.end());
  }
  for (const auto& read : numbers_) {
    const auto of_one = std::bit_cast<std::array<uint8_t, sizeof(double)>>(read());
    all.insert(all.end(), of_one.begin(), of_one.end());
  }
  return all;
}

bool Side::intact() const {
  return std::all_of(placed_.begin(), placed_.end(), [&](const Placed& p) {
    const std::vector<uint8_t> all = bytes_at(p.memory);
    const auto is_margin = [](uint8_t byte) { return byte == kMarginByte; };
    const auto before = all.size() - p.view.bytes() - kMargin;
    return std::all_of(all.begin(), all.begin() + static_cast<int64_t>(before), is_margin) &&
           std::all_of(all.end() - kMargin, all.end(), is_margin);
  });
}

std::vector<Finding> findings(const Side& got, const Side& want) {
  std::vector<Finding> all;
  for (size_t i = 0; i < want.results().size(); ++i) {
    const Tolerance& tolerance = want.results()[i].tolerance;
    const double error = relative_error(got.results()[i].read(), want.results()[i].read(),
                                        tolerance.least, tolerance.most);
    all.push_back({want.results()[i].name, error, tolerance.limit(got.tested())});
  }
  if (!got.intact()) all.push_back({"margins", kInfinity, 0});
  return all;
}

std::vector<Finding> findings(const Entry& entry, Side& tested, const Queue& cpu) {
  entry.make(tested)();
  Side reference(cpu, tested);
  entry.make(reference)();
  return findings(tested, reference);
}

}  // namespace lacuna::proof
