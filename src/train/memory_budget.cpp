#include "lacuna/train/memory_budget.h"

#include <charconv>
#include <cmath>

#include "lacuna/base/resources.h"
#include "lacuna/base/text.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::train {
namespace {

constexpr const char* kOption = "memory.budget";

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorKind::kConfig, kOption,
              str('"', text,
                  "\" is no amount of memory: auto, bytes such as 16GiB, 900MiB or 6.5GB, "
                  "or a share such as 80% are expected"));
}

// Bytes of one of this unit; 0: there is no such unit.
double unit_bytes(std::string_view unit) {
  const std::pair<const char*, double> units[] = {
      {"", 1},      {"B", 1},        {"kB", 1e3},     {"KB", 1e3},     {"MB", 1e6},    {"GB", 1e9},
      {"TB", 1e12}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  for (const auto& [name, bytes] : units) {
    if (unit == name) return bytes;
  }
  return 0;
}

}  // namespace

std::optional<size_t> parse_budget(const std::string& text, size_t whole) {
  const std::string_view given = trimmed(text);
  if (given == "auto") return std::nullopt;
  double number = 0;
  const auto [end, fault] = std::from_chars(given.data(), given.data() + given.size(), number);
  if (fault != std::errc() || !std::isfinite(number) || number <= 0) refuse(text);
  const std::string_view unit = trimmed(given.substr(static_cast<size_t>(end - given.data())));
  if (unit == "%") {
    if (number > 100) refuse(text);
    return static_cast<size_t>(number / 100 * static_cast<double>(whole));
  }
  const double bytes = number * unit_bytes(unit);
  if (bytes < 1 || bytes > 0x1p60) refuse(text);
  return static_cast<size_t>(bytes);
}

std::optional<size_t> budget_of(const std::string& text, const Queue& queue) {
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) return parse_budget(text, cuda::device_memory(queue).total);
  }
  return parse_budget(text, lacuna::free_memory());
}

size_t beside_tensors(const Queue& queue) {
  if constexpr (kWithCuda) {
    if (queue.on_gpu()) return cuda::device_memory(queue).context;
  }
  return 0;
}

void check_budget(const std::optional<size_t>& budget, size_t needed, const std::string& hint) {
  if (!budget || needed <= *budget) return;
  throw Error(ErrorKind::kConfig, kOption,
              str(human_bytes(*budget), " are too little, ", human_bytes(needed), " are needed"),
              hint)
      .with_fact(str("minimum: ", needed, " bytes (",
                     fixed(static_cast<double>(needed) / 0x1p30, 3), " GiB)"));
}

}  // namespace lacuna::train
