#include "lacuna/train/rates.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "lacuna/base/names.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

struct ShippedRate {
  const char *gpu, *type, *what;
  Rate rate;
  std::string_view source;
};

const ShippedRate kRates[] = {
#define LACUNA_GPU(name, memory, context, workspace, capability, source)
#define LACUNA_RATE(gpu, type, what, per_second, start, beside, source) \
  {gpu, type, what, {per_second, start, beside}, source},
#include "rates.def"
#undef LACUNA_GPU
#undef LACUNA_RATE
};

const KnownGpu kGpus[] = {
#define LACUNA_GPU(name, memory, context, workspace, capability, source) \
  {name, memory, context, workspace, capability},
#define LACUNA_RATE(gpu, type, what, per_second, start, beside, source)
#include "rates.def"
#undef LACUNA_GPU
#undef LACUNA_RATE
};

std::vector<const ShippedRate*> table_of(const std::string& gpu, DType dtype) {
  const std::string type = name_of(dtype == DType::kF16 ? DType::kBF16 : dtype);
  std::vector<const ShippedRate*> table;
  for (const ShippedRate& shipped : kRates) {
    if (gpu == shipped.gpu && type == shipped.type) table.push_back(&shipped);
  }
  return table;
}

// The widths of "`what` W", with their rates.
std::map<double, Rate> by_width(const Rates& rates, const std::string& what) {
  std::map<double, Rate> found;
  for (const auto& [name, rate] : rates) {
    if (name.starts_with(what + " ")) found[std::stod(name.substr(what.size() + 1))] = rate;
  }
  return found;
}

}  // namespace

Rate rate_of_width(const Rates& rates, const std::string& what, double width) {
  const std::map<double, Rate> known = by_width(rates, what);
  require(!known.empty(), "rate_of_width", "a table of rates lacks a row");
  const auto above = known.lower_bound(width);
  if (above == known.end()) return std::prev(above)->second;
  if (above->first == width) return above->second;
  const bool product = what.starts_with("product");
  if (above == known.begin()) {  // a product of a narrow matrix is bound by bytes
    Rate rate = above->second;
    if (product) rate.per_second *= width / above->first;
    return rate;
  }
  const auto below = std::prev(above);
  const double share = std::log(width / below->first) / std::log(above->first / below->first);
  if (!product) return share < 0.5 ? below->second : above->second;
  const auto between = [&](double a, double b) { return a + share * (b - a); };
  return {.per_second = std::exp(
              between(std::log(below->second.per_second), std::log(above->second.per_second))),
          .start = between(below->second.start, above->second.start)};
}

KnownGpu known_gpu(const std::string& name) {
  std::vector<std::string> names;
  for (const KnownGpu& gpu : kGpus) {
    if (gpu.name == name) return gpu;
    names.push_back(gpu.name);
  }
  throw unknown_name(ErrorKind::kUsage, "--gpu", "table for a GPU called", name, names);
}

Rates known_rates(const std::string& gpu, DType dtype) {
  Rates rates;
  for (const ShippedRate* shipped : table_of(gpu, dtype)) rates[shipped->what] = shipped->rate;
  require(!rates.empty(), "known_rates", "there is no table for this type of activations");
  return rates;
}

bool rates_are_measured(const std::string& gpu, DType dtype) {
  const std::vector<const ShippedRate*> table = table_of(gpu, dtype);
  return std::any_of(table.begin(), table.end(), [](const ShippedRate* shipped) {
    return shipped->source.starts_with("measured");
  });
}

std::string rates_text(const Rates& rates, const std::string& gpu, DType dtype,
                       const std::string& source) {
  std::string text;
  for (const auto& [what, rate] : rates) {
    char line[160];
    std::snprintf(line, sizeof line, "LACUNA_RATE(\"%s\", \"%s\", \"%s\", %.4g, %.3g, %.4g, ",
                  gpu.c_str(), name_of(dtype), what.c_str(), rate.per_second, rate.start,
                  rate.beside);
    text += str(line, "\"", source, "\")\n");
  }
  return text;
}

}  // namespace lacuna::train
