#include "data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "../output_place.h"
#include "inspect.h"
#include "lacuna/base/text.h"
#include "lacuna/data/evaluation_windows.h"
#include "lacuna/data/records.h"
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
  int width = 6;
  for (const auto& named : data.parts())
    width = std::max(width, static_cast<int>(named.name.size()));
  std::printf("\n%-*s %16s %14s %14s %16s %12s\n", width, "part", "symbols", "windows",
              "symbols used", "entropy (bits)", "floor (bits)");
  for (const auto& [name, part] : data.parts()) {
    const int64_t size = part->size();
    const Histogram counts = histogram(*part, data.medium().vocabulary(), stop);
    const std::optional<double> floor = part->floor_bits();
    const auto windows = evaluation_windows(*part, data.medium().grid(), context, 0).size();
    std::printf(
        "%-*s %16s %14s %14s %16s %12s\n", width, name.c_str(), grouped(size).c_str(),
        grouped(static_cast<int64_t>(windows)).c_str(), grouped(symbols_used(counts)).c_str(),
        size > 0 ? fixed(entropy(counts), 4).c_str() : "-", floor ? fixed(*floor, 4).c_str() : "-");
  }
  std::printf(
      "entropy: of the symbols' frequencies alone; floor: of the source, where it is known; "
      "windows: of the\nmodel's context side by side, the last one may be short\n");
  const std::string shorter = short_records(data, context);
  if (!shorter.empty()) std::printf("%s\n", shorter.c_str());
}

std::string percent(double share, double all) {
  return fixed(100 * share / all, 2) + " %";
}

// What a model must beat to have learned anything.
void print_baselines(const SymbolCounts& counts, const Dataset& data) {
  const Unit unit = data.medium().unit();
  std::printf("\ntrain, %s of %s symbols counted: entropy in %s\n",
              grouped(counts.symbols()).c_str(), grouped(data.train().size()).c_str(),
              unit.bits().c_str());
  const char* given[] = {"order 0, of its frequency alone", "order 1, given the symbol before it",
                         "order 2, given the two before it"};
  std::string times[SymbolCounts::kOrders];
  for (int order = 0; order < SymbolCounts::kOrders; ++order) {
    const SymbolCounts::Entropy entropy = counts.entropy(order);
    std::printf("%-36s %8s\n", given[order], fixed(entropy.bits, 4).c_str());
    times[order] = fixed(entropy.times, 1);
  }
  std::printf(
      "What comes before a symbol was seen %s times on average at order 1 and %s times at order 2: "
      "the fewer,\nthe more the entropy is underestimated.\n",
      times[1].c_str(), times[2].c_str());
}

// In at most 16 rows.
void print_histogram(const SymbolCounts& counts, const Unit& unit) {
  constexpr size_t kRows = 16, kBar = 40;
  const Histogram each = counts.first_of_unit();
  const size_t wide = (each.size() + kRows - 1) / kRows;
  std::vector<double> rows;
  for (size_t begin = 0; begin < each.size(); begin += wide) {
    rows.push_back(0);
    for (size_t i = begin; i < std::min(begin + wide, each.size()); ++i)
      rows.back() += static_cast<double>(each[i]);
  }
  const double most = *std::max_element(rows.begin(), rows.end());
  double all = 0;
  for (const double row : rows) all += row;
  std::printf("\ntrain, how often symbols occur%s\n",
              unit.symbols > 1 ? str(" as the first of a ", unit.name).c_str() : "");
  for (size_t row = 0; row < rows.size(); ++row) {
    const size_t last = std::min((row + 1) * wide, each.size()) - 1;
    const std::string range = wide == 1 ? std::to_string(last) : str(row * wide, " to ", last);
    const auto bar = static_cast<size_t>(std::lround(kBar * rows[row] / most));
    std::printf("%-12s %9s%s%s\n", range.c_str(), percent(rows[row], all).c_str(),
                bar > 0 ? "  " : "", std::string(bar, '#').c_str());
  }
}

void print_sound(const Dataset& data, const Stop& stop) {
  const SoundShares sound = sound_shares(data.train(), data.medium(), stop);
  const auto all = static_cast<double>(sound.samples);
  const double seconds = all / sound.rate;
  std::printf(
      "\ntrain, %s of sound in %s: %s of the samples are silent (quieter than 1/8,192 of full\n"
      "scale), %s at full scale, where sound is clipped\n",
      seconds < 60 ? (fixed(seconds, 2) + " s").c_str() : human_seconds(seconds).c_str(),
      data.train().records() == 1 ? "1 file" : (grouped(data.train().records()) + " files").c_str(),
      percent(static_cast<double>(sound.silent), all).c_str(),
      percent(static_cast<double>(sound.clipped), all).c_str());
}

void print_window(const Dataset& data, int64_t begin, int64_t count) {
  std::vector<int32_t> symbols(static_cast<size_t>(count));
  data.train().read(begin, count, symbols.data());
  const std::string text = data.medium().file(symbols);
  if (is_text(text)) {
    std::printf("%s\n", printable(text).c_str());
    return;
  }
  for (size_t i = 0; i < symbols.size(); ++i) {
    std::printf("%4d%s", symbols[i], (i + 1) % 24 == 0 || i + 1 == symbols.size() ? "\n" : "");
  }
}

// What a picture of the data shows.
std::string pictured(const Dataset& data) {
  if (data.medium().suffix() == ".wav") return "it";
  const int64_t pictures = std::min(kPictures, data.train().size() / data.medium().sample_size());
  return pictures == 1 ? "it" : str(pictures, " pictures");
}

// The beginning of the first window, or how to see more of it than numbers.
void print_first_window(const Dataset& data, int64_t begin, int64_t context) {
  constexpr int64_t kShown = 1536;  // symbols
  if (data.medium().suffix() != ".txt") {
    const Part& train = data.train();
    std::printf(
        "\nthe first window of training (from symbol %s on) is of %s; --picture FILE.png "
        "draws %s\n",
        grouped(begin).c_str(), printable(train.record_name(record_at(train, begin))).c_str(),
        pictured(data).c_str());
    return;
  }
  const int64_t shown = std::min(context, kShown);
  std::printf("\nthe first %s symbols of the first window of training (from symbol %s on)\n\n",
              grouped(shown).c_str(), grouped(begin).c_str());
  print_window(data, begin, shown);
}

}  // namespace

void inspect_data(const Parsed& parsed, const Stop& stop) {
  train::Options options =
      train::read_options(config_file(parsed.text("CONFIG")), parsed.overrides);
  train::resolve(options);
  const std::string& picture = parsed.text("picture");
  if (!picture.empty()) {
    check_picture(*train::medium_of(options));
    check_output_file(picture);
  }
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
  const SymbolCounts counts = count_symbols(data->train(), data->medium(), stop);
  print_baselines(counts, *data);
  print_histogram(counts, data->medium().unit());
  if (data->medium().suffix() == ".wav") print_sound(*data, stop);
  const int64_t begin = order.begin(0);
  print_first_window(*data, begin, context);
  if (picture.empty()) return;
  write_data_picture(picture, *data, order.seed(), begin, context);
  std::printf("wrote %s\n", printable(picture).c_str());
}

}  // namespace lacuna::cli
