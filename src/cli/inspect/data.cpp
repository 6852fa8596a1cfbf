#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "inspect.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/data/dataset.h"
#include "lacuna/train/setup.h"

namespace lacuna::cli {
namespace {

using Histogram = std::vector<int64_t>;  // how often each symbol occurs

Histogram histogram(const Part& part, int64_t vocabulary, const Stop& stop) {
  constexpr int64_t kAtOnce = 1 << 20;
  Histogram counts(static_cast<size_t>(vocabulary));
  std::vector<int32_t> symbols(static_cast<size_t>(kAtOnce));
  for (int64_t begin = 0; begin < part.size(); begin += kAtOnce) {
    leave_if(stop);
    const int64_t count = std::min(kAtOnce, part.size() - begin);
    part.read(begin, count, symbols.data());
    for (int64_t i = 0; i < count; ++i) ++counts[static_cast<size_t>(symbols[size_t(i)])];
  }
  return counts;
}

int64_t symbols_used(const Histogram& counts) {
  return static_cast<int64_t>(counts.size()) - std::count(counts.begin(), counts.end(), 0);
}

// Bits per symbol of a model that knows nothing but how often each symbol occurs.
double entropy(const Histogram& counts) {
  double sum = 0, bits = 0;
  for (const int64_t count : counts) sum += static_cast<double>(count);
  for (const int64_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / sum;
    bits -= share * std::log2(share);
  }
  return bits;
}

void print_parts(const Dataset& data, int64_t context, const Stop& stop) {
  std::printf("\n%-6s %16s %14s %14s %16s %12s\n", "part", "symbols", "windows", "symbols used",
              "entropy (bits)", "floor (bits)");
  for (const auto& [name, part] : data.parts()) {
    const int64_t size = part->size();
    const Histogram counts = histogram(*part, data.medium().vocabulary(), stop);
    const std::optional<double> floor = part->floor_bits();
    std::printf(
        "%-6s %16s %14s %14s %16s %12s\n", name.c_str(), grouped(size).c_str(),
        grouped((size + context - 1) / context).c_str(), grouped(symbols_used(counts)).c_str(),
        size > 0 ? fixed(entropy(counts), 4).c_str() : "-", floor ? fixed(*floor, 4).c_str() : "-");
  }
  std::printf(
      "entropy: of the symbols' frequencies alone; floor: of the source, where it is known; "
      "windows: of the\nmodel's context side by side, the last one may be short\n");
}

void print_window(const Dataset& data, int64_t begin, int64_t count) {
  std::vector<int32_t> symbols(static_cast<size_t>(count));
  data.train().read(begin, count, symbols.data());
  if (data.medium().suffix() == ".txt") {
    const std::string text = data.medium().file(symbols);
    if (is_text(text)) {
      std::printf("%s\n", printable(text).c_str());
      return;
    }
  }
  for (size_t i = 0; i < symbols.size(); ++i) {
    std::printf("%4d%s", symbols[i], (i + 1) % 24 == 0 || i + 1 == symbols.size() ? "\n" : "");
  }
}

}  // namespace

void inspect_data(const Parsed& parsed, const Stop& stop) {
  constexpr int64_t kShown = 1536;  // symbols of the window that are printed
  train::Options options =
      train::read_options(config_file(parsed.text("CONFIG")), parsed.overrides);
  train::resolve(options);
  const std::unique_ptr<Dataset> data = open_dataset(train::dataset_config(options));
  const int64_t context = options.model.context;
  const SampleOrder order = train::sample_order(options, *data);
  const train::StepSize step = train::step_size(options, *data);
  const std::string identity = data->identity([&] { leave_if(stop); });
  std::printf("format      %s\ndata        %s\nidentity    %s\nvocabulary  %s symbols\n",
              options.data.format.c_str(), data->describe().c_str(), identity.c_str(),
              grouped(data->medium().vocabulary()).c_str());
  std::printf(
      "epoch       %s windows of %s symbols, %s steps of %s windows\n",
      grouped(order.windows()).c_str(), grouped(context).c_str(),
      fixed(static_cast<double>(order.windows()) / static_cast<double>(step.samples), 1).c_str(),
      grouped(step.samples).c_str());
  print_parts(*data, context, stop);
  const int64_t shown = std::min(context, kShown), begin = order.begin(0);
  std::printf("\nthe first %s symbols of the first window of training (from symbol %s on)\n\n",
              grouped(shown).c_str(), grouped(begin).c_str());
  print_window(*data, begin, shown);
}

}  // namespace lacuna::cli
