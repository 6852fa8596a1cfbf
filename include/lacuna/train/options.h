// The options of a run: one struct, generated from options.def, with the table that reads,
// checks, explains and writes it. The options of a data format come from the format.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lacuna/base/option.h"
#include "lacuna/data/format_options.h"

namespace lacuna::train {

/// Whether a resumed run may have another value than the run before it.
enum class OnResume : uint8_t { kKept, kFree };

struct Options {
#define LACUNA_SECTION(name, help) struct name##_section {
#define LACUNA_OPTION(type, key, initial, check, resume, help) type key = initial;
#define LACUNA_SECTION_END(name) \
  }                              \
  name;
#include "lacuna/train/options.def"
#undef LACUNA_SECTION
#undef LACUNA_OPTION
#undef LACUNA_SECTION_END
  FormatValues format;  // of the options that data.format alone has; they stand under [data]
};

/// Sets the options whose default depends on the optimizer to what it is with this one; leaves them
/// as they are for one that is not known.
void set_optimizer_defaults(Options& options, const std::string& optimizer);

struct OptionEntry {
  std::string name;  // "model.layers"
  std::string section_help;
  std::string help;
  Check check;
  OnResume on_resume;
  std::function<OptionPointer(Options&)> at;
};

/// The table, in the order of options.def; after those of [data] come what the format of that name
/// has of its own, if it is known.
std::vector<OptionEntry> option_table(const std::string& format);
/// Of a run's own format.
inline std::vector<OptionEntry> option_table(const Options& options) {
  return option_table(options.data.format);
}

/// One `--section.key VALUE` of a command line.
using Override = std::pair<std::string, std::string>;

/// Reads a TOML file over the defaults, then applies the overrides. Throws Error(kConfig), with
/// file, line and the nearest known name, for a key that does not exist, for a value of the wrong
/// type or out of range, and for an option that two overrides name; Error(kData) for a file that
/// cannot be read.
Options read_options(const std::string& path, const std::vector<Override>& overrides);
/// The same of a text that is in memory; messages call it `path`.
Options parse_options(const std::string& toml, const std::string& path,
                      const std::vector<Override>& overrides);

/// Throws Error(kConfig) naming the first option that may not change on resume and did.
void check_resumable(const Options& before, const Options& now);

/// The value of one option as it would be written in a configuration.
std::string option_text(const OptionEntry& entry, const Options& options);

/// The options as a TOML file that read_options() reads back to the same values. Throws
/// Error(kConfig) for a string that is not UTF-8.
std::string to_toml(const Options& options);

/// Whether a text is the configuration that a run of any build has resolved and recorded: TOML with
/// the options that a run fills in and a configuration by hand leaves out.
bool is_resolved(const std::string& toml);

/// The table as Markdown: docs/config.md.
std::string options_markdown();

}  // namespace lacuna::train
