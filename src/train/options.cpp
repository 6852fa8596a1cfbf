// The only source that includes toml++.
#include "lacuna/train/options.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "option_table.h"
#include "toml.h"

namespace lacuna::train {
namespace {

template <class... Bodies>
struct Overloaded : Bodies... {
  using Bodies::operator()...;
};
template <class... Bodies>
Overloaded(Bodies...) -> Overloaded<Bodies...>;

[[noreturn]] void fail(const std::string& place, const std::string& name,
                       const std::string& message, const std::string& hint) {
  // A flag's place is its name already.
  throw Error(ErrorKind::kConfig, place, place == "--" + name ? message : name + ": " + message,
              hint);
}

// The format that has an option of this name for its own.
std::string format_with(const std::string& name) {
  for (const DatasetFormat& format : dataset_formats()) {
    for (const FormatOption& option : format.options) {
      if (name == "data." + option.key) return format.name;
    }
  }
  return "";
}

const OptionEntry& entry_called(const std::vector<OptionEntry>& table, const std::string& name,
                                const std::string& place) {
  std::vector<std::string> names;
  for (const OptionEntry& entry : table) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  if (const std::string format = format_with(name); !format.empty()) {
    fail(place, name, "is an option of the format " + format + ", which data.format does not name",
         "");
  }
  const std::string nearest = nearest_name(name, names);
  throw Error(
      ErrorKind::kConfig, place, "there is no option '" + name + "'",
      nearest.empty() ? "`lacuna list options` names all" : "Did you mean '" + nearest + "'?");
}

// The elements of an array, or a lone value as a list of one.
template <class T>
bool read_list(const toml::node& node, std::vector<T>* out) {
  out->clear();
  if (const auto lone = node.value_exact<T>()) {
    out->push_back(*lone);
    return true;
  }
  if (!node.is_array()) return false;
  for (const toml::node& element : *node.as_array()) {
    const auto value = element.value_exact<T>();
    if (!value) return false;
    out->push_back(*value);
  }
  return true;
}

bool read_value(const toml::node& node, const OptionPointer& target) {
  const auto store = [](const auto& found, auto* to) {
    if (found) *to = *found;
    return found.has_value();
  };
  return std::visit(
      Overloaded{[&](int64_t* to) { return store(node.value_exact<int64_t>(), to); },
                 [&](double* to) { return store(node.value<double>(), to); },
                 [&](std::string* to) { return store(node.value_exact<std::string>(), to); },
                 [&](auto* list) { return read_list(node, list); }},
      target);
}

std::string repeated_hint(const OptionPointer& value) {
  if (std::holds_alternative<std::vector<std::string>*>(value)) {
    return "Write a list as '[\"a\", \"b\"]'";
  }
  if (std::holds_alternative<std::vector<int64_t>*>(value)) return "Write a list as '[1, 2]'";
  return "Give it once";
}

// " between 0 and 10", for what is bounded.
std::string range_text(const Check& check) {
  if (check.low == 0 && check.high == 0) return "";
  return str(" between ", bound_text(check.low), " and ", bound_text(check.high));
}

void check_range(const OptionEntry& entry, const OptionPointer& value, const std::string& place) {
  const Check& check = entry.check;
  const auto in_range = [&](double number) {
    if (check.low == 0 && check.high == 0 && std::isfinite(number)) return;
    if (number >= check.low && number <= check.high) return;
    fail(place, entry.name, str("must lie", range_text(check), ", not ", bound_text(number)), "");
  };
  std::visit(Overloaded{[&](const int64_t* v) { in_range(static_cast<double>(*v)); },
                        [&](const double* v) { in_range(*v); },
                        [&](const std::string* v) {
                          const auto words = split(check.words, '|');
                          if (check.words[0] == '\0') return;
                          if (std::find(words.begin(), words.end(), *v) != words.end()) return;
                          fail(place, entry.name,
                               "must be one of " + join(words, ", ") + ", not '" + *v + "'", "");
                        },
                        [](const auto*) {}},
             value);
}

void assign(Options& options, const OptionEntry& entry, const toml::node& node,
            const std::string& place) {
  const OptionPointer value = entry.at(options);
  if (!read_value(node, value)) {
    std::ostringstream got;
    got << node.type();
    fail(place, entry.name,
         str("expected ", type_text(value), range_text(entry.check), ", got ", got.str()), "");
  }
  check_range(entry, value, place);
}

toml::table parse(const std::string& text, const std::string& path) {
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& failure) {
    throw Error(ErrorKind::kConfig, str(path, ":", failure.source().begin.line),
                std::string(failure.description()), "The file must be TOML");
  }
}

// A word of the command line as a TOML value; what is none is taken as a string.
toml::table parse_word(const std::string& text) {
  try {
    return toml::parse("value = " + text);
  } catch (const toml::parse_error&) {
    return toml::table{{"value", text}};
  }
}

// What a flag gives its option: a string may stand without quotes.
toml::table word_for(const OptionPointer& target, const std::string& text) {
  const bool quoted = text.starts_with('"');
  const bool literal = (std::holds_alternative<std::string*>(target) && !quoted) ||
                       (std::holds_alternative<std::vector<std::string>*>(target) && !quoted &&
                        !text.starts_with('['));
  return literal ? toml::table{{"value", text}} : parse_word(text);
}

bool reads_back(const std::string& toml, const std::string& text) {
  try {
    return toml::parse("value = " + toml)["value"].value<std::string>() == text;
  } catch (const toml::parse_error&) {
    return false;
  }
}

// Between double quotes, with everything escaped that may not stand there as it is.
std::string escaped(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (const auto code = static_cast<unsigned char>(c); code < 0x20 || code == 0x7f) {
      const char* digits = "0123456789abcdef";
      out += std::string("\\u00") + digits[code / 16] + digits[code % 16];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

// As toml++ writes it where that reads back as the same string: of one that begins with a line
// break it makes a text of several lines, where the first break does not count.
std::string quoted(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return reads_back(out.str(), text) ? out.str() : escaped(text);
}

// TOML is UTF-8: a string of other bytes, such as a path in Latin-1, cannot be written.
void check_writable(const OptionEntry& entry, const OptionPointer& value) {
  const auto check = [&](const std::string& text) {
    if (reads_back(quoted(text), text)) return;
    throw Error(ErrorKind::kConfig, entry.name,
                "holds bytes that are not UTF-8, and config.toml could not record them",
                "Rename the file or folder, or name it by a link");
  };
  std::visit(Overloaded{[&](const std::string* v) { check(*v); },
                        [&](const std::vector<std::string>* v) {
                          for (const std::string& text : *v) check(text);
                        },
                        [](const auto*) {}},
             value);
}

template <class T>
std::string toml_text(const std::vector<T>& list) {
  std::vector<std::string> parts;
  for (const T& element : list) {
    if constexpr (std::is_same_v<T, std::string>) {
      parts.push_back(quoted(element));
    } else {
      parts.push_back(std::to_string(element));
    }
  }
  return "[" + join(parts, ", ") + "]";
}

std::string value_text(const OptionPointer& value) {
  return std::visit(Overloaded{[](const int64_t* v) { return std::to_string(*v); },
                               [](const double* v) { return exact(*v); },
                               [](const std::string* v) { return quoted(*v); },
                               [](const auto* v) { return toml_text(*v); }},
                    value);
}

// Runs of lacuna 0.1.0 recorded the options of the format echo as data.echo_*, also where they read
// another format.
std::string name_today(const std::string& name, const std::string& format) {
  for (const char* key : {"symbols", "block", "redraw", "size", "seed"}) {
    if (name != str("data.echo_", key)) continue;
    return format == "echo" ? str("data.", key) : "";
  }
  return name;
}

// The own options of the format that a file names, where a flag names another: they mean nothing.
const std::vector<FormatOption>& overridden_options(const toml::table& file,
                                                    const std::string& format) {
  static const std::vector<FormatOption> none;
  const DatasetFormat* named = find_format(file["data"]["format"].value_or(Options().data.format));
  return named == nullptr || named->name == format ? none : named->options;
}

void read_file(const toml::table& file, const std::string& path,
               const std::vector<OptionEntry>& table, Options& options) {
  const std::string format = options.data.format;
  const std::vector<FormatOption>& overridden = overridden_options(file, format);
  const auto is_overridden = [&](const std::string& name) {
    return std::any_of(overridden.begin(), overridden.end(),
                       [&](const FormatOption& option) { return name == "data." + option.key; });
  };
  for (const auto& [section, content] : file) {
    const std::string place = str(path, ":", content.source().begin.line);
    if (!content.is_table()) {
      throw Error(ErrorKind::kConfig, place, str("'", section.str(), "' stands outside a section"),
                  "Options belong under a heading such as [model]");
    }
    for (const auto& [key, node] : *content.as_table()) {
      const std::string line = str(path, ":", node.source().begin.line);
      const std::string name = name_today(str(section.str(), ".", key.str()), format);
      if (name.empty() || is_overridden(name)) continue;
      assign(options, entry_called(table, name, line), node, line);
    }
  }
}

void read_overrides(const std::vector<Override>& overrides, const std::vector<OptionEntry>& table,
                    Options& options) {
  std::set<std::string> given;
  for (const auto& [name, text] : overrides) {
    const std::string place = "--" + name;
    const OptionEntry& entry = entry_called(table, name, place);
    const OptionPointer target = entry.at(options);
    if (!given.insert(name).second) fail(place, name, "is given twice", repeated_hint(target));
    const toml::table word = word_for(target, text);
    assign(options, entry, *word.get("value"), place);
  }
}

// A string that decides what other options there are, or their defaults, so that it is looked for
// first: of a flag, else of the file, else `usual`.
std::string told(const std::string& section, const std::string& key, std::string usual,
                 const toml::table& file, const std::vector<Override>& overrides) {
  std::string value = file[section][key].value_or(usual);
  for (const auto& [name, text] : overrides) {
    if (name == section + '.' + key) value = word_for(&usual, text)["value"].value_or(text);
  }
  return value;
}

}  // namespace

Options read_options(const std::string& path, const std::vector<Override>& overrides) {
  return parse_options(read_text(path), path, overrides);
}

Options parse_options(const std::string& toml, const std::string& path,
                      const std::vector<Override>& overrides) {
  Options options;
  const toml::table file = parse(toml, path);
  options.data.format = told("data", "format", options.data.format, file, overrides);
  set_optimizer_defaults(options, told("optim", "name", options.optim.name, file, overrides));
  const std::vector<OptionEntry> table = option_table(options);
  for (const OptionEntry& entry : table) (void)entry.at(options);  // the format's defaults
  read_file(file, path, table, options);
  read_overrides(overrides, table, options);
  return options;
}

void check_resumable(const Options& before, const Options& now) {
  Options old_values = before, new_values = now;
  for (const OptionEntry& entry : option_table(now)) {
    const std::string old_text = value_text(entry.at(old_values));
    const std::string new_text = value_text(entry.at(new_values));
    if (entry.on_resume == OnResume::kFree || old_text == new_text) continue;
    fail("--resume", entry.name,
         "is " + new_text + " now, but the run was started with " + old_text,
         "Start a new run, or take its weights alone with --init-from");
  }
}

std::string option_text(const OptionEntry& entry, const Options& options) {
  Options copy = options;  // the table points to values that may be changed
  return value_text(entry.at(copy));
}

std::string to_toml(const Options& options) {
  Options copy = options;
  std::string text, section;
  for (const OptionEntry& entry : option_table(options)) {
    const std::vector<std::string> name = split(entry.name, '.');
    if (name[0] != section) {
      text += (section.empty() ? "[" : "\n[") + name[0] + "]\n";
      section = name[0];
    }
    check_writable(entry, entry.at(copy));
    text += name[1] + " = " + value_text(entry.at(copy)) + "\n";
  }
  return text;
}

bool is_resolved(const std::string& toml) {
  try {
    const toml::table table = toml::parse(toml);
    const toml::array* tables = table["model"]["position_tables"].as_array();
    return !table["train"]["run"].value_or(std::string()).empty() &&
           table["model"]["qk_width"].value_or(int64_t{0}) > 0 &&
           table["model"]["feedforward_width"].value_or(int64_t{0}) > 0 && tables != nullptr &&
           !tables->empty();
  } catch (const toml::parse_error&) {
    return false;
  }
}

}  // namespace lacuna::train
