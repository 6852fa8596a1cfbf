// The table of options and the page that explains them.
#include "option_table.h"

#include <algorithm>
#include <cmath>

#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/optim/optimizer.h"
#include "lacuna/train/options.h"

namespace lacuna::train {
namespace {

std::vector<OptionEntry> general_entries() {
  std::vector<OptionEntry> entries;
#define LACUNA_SECTION(name, help)           \
  {                                          \
    constexpr auto section = &Options::name; \
    const std::string prefix = #name ".", section_help = help;
#define LACUNA_OPTION(type, key, initial, check, resume, help)                   \
  entries.push_back({prefix + #key, section_help, help, check, OnResume::resume, \
                     [](Options& o) -> OptionPointer { return &(o.*section).key; }});
#define LACUNA_SECTION_END(name) }
#include "lacuna/train/options.def"
#undef LACUNA_SECTION
#undef LACUNA_OPTION
#undef LACUNA_SECTION_END
  return entries;
}

std::vector<OptionEntry> entries_of(const DatasetFormat& format, const std::string& section_help) {
  std::vector<OptionEntry> entries;
  for (const FormatOption& option : format.options) {
    entries.push_back({"data." + option.key, section_help,
                       "format " + format.name + ": " + option.help, option.check, OnResume::kKept,
                       [&option](Options& options) { return options.format.at(option); }});
  }
  return entries;
}

constexpr const char* kTableHead =
    "| option | default | allowed | on resume | meaning |\n|---|---|---|---|---|\n";

// "`0.001`; lion: `0.0001`".
std::string default_text(const OptionEntry& entry, const Options& defaults) {
  const std::string usual = option_text(entry, defaults);
  std::string text = '`' + usual + '`';
  for (const optim::OptimizerEntry& optimizer : optim::known_optimizers()) {
    Options with = defaults;
    set_optimizer_defaults(with, optimizer.name);
    const std::string other = option_text(entry, with);
    if (other != usual) text += str("; ", optimizer.name, ": `", other, '`');
  }
  return text;
}

std::string markdown_row(const OptionEntry& entry, Options defaults) {
  const OptionPointer value = entry.at(defaults);
  std::string allowed = type_text(value);
  if (entry.check.low != 0 || entry.check.high != 0) {
    allowed += str(", ", bound_text(entry.check.low), " to ", bound_text(entry.check.high));
  }
  if (entry.check.words[0] != '\0') allowed = join(split(entry.check.words, '|'), " or ");
  return "| `" + entry.name + "` | " + default_text(entry, defaults) + " | " + allowed + " | " +
         (entry.on_resume == OnResume::kFree ? "may change" : "kept") + " | " + entry.help + " |\n";
}

std::string formats_markdown() {
  std::string text;
  for (const DatasetFormat& format : dataset_formats()) {
    if (format.options.empty()) continue;
    text += "\nWith `data.format = \"" + format.name + "\"` also:\n\n" + kTableHead;
    for (const OptionEntry& entry : entries_of(format, "")) text += markdown_row(entry, {});
  }
  return text;
}

}  // namespace

const char* type_text(const OptionPointer& value) {
  const char* names[] = {"a whole number", "a number", "a string", "a list of strings",
                         "a list of whole numbers"};
  return names[value.index()];
}

std::string bound_text(double bound) {
  const bool whole = std::abs(bound) < 1e18 && bound == std::floor(bound);
  return whole ? std::to_string(static_cast<int64_t>(bound)) : exact(bound);
}

void set_optimizer_defaults(Options& options, const std::string& optimizer) {
  for (const optim::OptimizerEntry& entry : optim::known_optimizers()) {
    if (optimizer != entry.name) continue;
    options.optim.learning_rate = entry.usual.learning_rate;
    options.optim.beta1 = entry.usual.beta1;
    options.optim.beta2 = entry.usual.beta2;
    options.optim.weight_decay = entry.usual.weight_decay;
  }
}

std::vector<OptionEntry> option_table(const std::string& format) {
  static const std::vector<OptionEntry> general = general_entries();
  std::vector<OptionEntry> entries = general;
  const auto model = std::find_if(entries.begin(), entries.end(), [](const OptionEntry& entry) {
    return !entry.name.starts_with("data.");
  });
  const DatasetFormat* known = find_format(format);
  if (known == nullptr) return entries;
  const std::vector<OptionEntry> own = entries_of(*known, entries.front().section_help);
  entries.insert(model, own.begin(), own.end());
  return entries;
}

std::string options_markdown() {
  std::string text =
      "# Options\n\n"
      "Each option is a key of a TOML file (`layers = 4` under `[model]`) and a flag of `lacuna "
      "train` (`--model.layers 4`).\nThis page is written by `lacuna list options`; a test keeps "
      "it "
      "current.\n";
  std::string section;
  for (const OptionEntry& entry : general_entries()) {
    const std::string heading = split(entry.name, '.')[0];
    if (heading != section) {
      if (section == "data") text += formats_markdown();
      section = heading;
      text += "\n## [" + heading + "] " + entry.section_help + "\n\n" + kTableHead;
    }
    text += markdown_row(entry, {});
  }
  return text;
}

}  // namespace lacuna::train
