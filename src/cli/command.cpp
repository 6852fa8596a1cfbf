// The only source that includes CLI11: it costs seconds to compile.
#include "lacuna/cli/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>

#include "lacuna/base/names.h"
#include "lacuna/base/text.h"
#include "version.h"

namespace lacuna::cli {

#define LACUNA_COMMAND(name) Command make_##name##_command();
#include "commands.def"
#undef LACUNA_COMMAND

std::vector<Command> commands() {
  return {
#define LACUNA_COMMAND(name) make_##name##_command(),
#include "commands.def"
#undef LACUNA_COMMAND
  };
}

namespace {

std::string bare(const std::string& flag) {
  return flag.substr(2);
}

// One command with the memory that CLI11 writes to.
struct Binding {
  const Command* command;
  std::string name;  // "inspect pattern"
  CLI::App* app;
  Parsed parsed;
  std::map<std::string, bool> switches;
};

void bind(Binding& binding) {
  CLI::App& app = *binding.app;
  const Command& command = *binding.command;
  for (const Argument& argument : command.positionals) {
    if (argument.several) {
      app.add_option(argument.name, binding.parsed.several, argument.help)->required();
    } else {
      app.add_option(argument.name, binding.parsed.words[argument.name], argument.help)
          ->required(!argument.optional);
    }
  }
  for (const Argument& flag : command.flags) {
    std::string& word = binding.parsed.words[bare(flag.name)];
    word = flag.initial;
    if (flag.value.empty()) {
      app.add_flag(flag.name, binding.switches[bare(flag.name)], flag.help);
    } else {
      app.add_option(flag.name, word, flag.help + (word.empty() ? "" : " [" + word + "]"))
          ->type_name(flag.value);
    }
  }
  if (command.takes_options) {
    app.footer(
        "Any option of the configuration can be given as --section.key VALUE;\n"
        "`lacuna list options` explains them all.");
  }
  app.allow_extras();
}

// Makes CLI11's commands and, for each that does not lead to others, a binding.
void add_commands(CLI::App& parent, const std::string& prefix, const std::vector<Command>& table,
                  std::vector<std::unique_ptr<Binding>>& bindings) {
  for (const Command& command : table) {
    CLI::App* app = parent.add_subcommand(command.name, command.summary);
    const std::string name = prefix + command.name;
    if (!command.subcommands.empty()) {
      app->require_subcommand(1);
      add_commands(*app, name + ' ', command.subcommands, bindings);
      continue;
    }
    bindings.push_back(std::make_unique<Binding>(Binding{&command, name, app, {}, {}}));
    bind(*bindings.back());
  }
}

bool takes_word(const Command& command, const std::string& flag) {
  return std::any_of(command.flags.begin(), command.flags.end(), [&](const Argument& known) {
    return known.name == flag && !known.value.empty();
  });
}

// Whether a word is --section.key or --section.key=VALUE.
bool is_option(const std::string& word) {
  return word.starts_with("--") && word.substr(0, word.find('=')).find('.') != std::string::npos;
}

// Moves each --section.key VALUE out of `words`, wherever it stands: to CLI11 it is an unknown
// flag, and its value would become the next positional.
std::vector<train::Override> take_overrides(const Command& command,
                                            std::vector<std::string>& words) {
  std::vector<train::Override> overrides;
  std::vector<std::string> rest;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string word = words[i];
    const size_t equals = word.find('=');
    const bool takes_next =
        takes_word(command, word) || (is_option(word) && equals == std::string::npos);
    if (takes_next && i + 1 < words.size() && words[i + 1].starts_with("--")) {
      throw Error(ErrorKind::kUsage, word,
                  "a value is missing after it: '" + words[i + 1] + "' is a flag",
                  "A value that begins with -- is given as " + word + "=" + words[i + 1]);
    }
    if (takes_word(command, word) && i + 1 < words.size()) {
      rest.push_back(word);
      rest.push_back(words[++i]);
    } else if (!is_option(word)) {
      rest.push_back(word);
    } else if (equals != std::string::npos) {
      overrides.emplace_back(bare(word.substr(0, equals)), word.substr(equals + 1));
    } else if (++i < words.size()) {
      overrides.emplace_back(bare(word), words[i]);
    } else {
      throw Error(ErrorKind::kUsage, word, "a value is missing after it");
    }
  }
  words = rest;
  return overrides;
}

// Whether a shell has made several words of one pattern after --data.paths.
bool is_one_of_several_paths(const std::string& word, const Binding& binding) {
  const auto& overrides = binding.parsed.overrides;
  std::error_code ignored;
  return std::filesystem::exists(word, ignored) &&
         std::any_of(overrides.begin(), overrides.end(),
                     [](const train::Override& given) { return given.first == "data.paths"; });
}

void refuse_extras(const Binding& binding) {
  const std::vector<std::string> extras = binding.app->remaining();
  if (extras.empty()) return;
  std::vector<std::string> names;
  for (const Argument& flag : binding.command->flags) names.push_back(flag.name);
  const std::string& word = extras.front();
  const std::string nearest = word.starts_with("-") ? nearest_name(word, names) : "";
  if (is_one_of_several_paths(word, binding)) {
    throw Error(ErrorKind::kUsage, binding.name, "cannot make anything of '" + word + "'",
                "Write several paths as '[\"a\", \"b\"]', or name their folder and choose with "
                "--data.suffixes");
  }
  throw Error(ErrorKind::kUsage, binding.name, "cannot make anything of '" + word + "'",
              nearest.empty() ? "`lacuna " + binding.name + " --help` lists what it takes"
                              : "Did you mean '" + nearest + "'?");
}

std::vector<std::string> names_of(const std::vector<Command>& table) {
  std::vector<std::string> names;
  for (const Command& command : table) names.push_back(command.name);
  return names;
}

// What CLI11 could not make anything of, in the words of our tables. `line` begins where a command
// of `table` should be named, after the commands `before`.
[[noreturn]] void fail_parse(const std::string& message, const std::vector<Command>& table,
                             const std::string& before, std::span<const std::string> line) {
  const std::string place = before.empty() ? "command line" : before;
  if (table.empty() || line.empty() || line[0].starts_with("-")) {
    throw Error(ErrorKind::kUsage, place, message,
                before.empty() ? "See `lacuna --help`" : "See `lacuna " + before + " --help`");
  }
  for (const Command& command : table) {
    if (command.name != line[0]) continue;
    fail_parse(message, command.subcommands, before + (before.empty() ? "" : " ") + command.name,
               line.subspan(1));
  }
  throw unknown_name(ErrorKind::kUsage, place, "command", line[0], names_of(table));
}

bool begins_with(const std::vector<std::string>& line, const std::string& command) {
  const std::vector<std::string> words = split(command, ' ');
  return line.size() >= words.size() && std::equal(words.begin(), words.end(), line.begin());
}

// Where the output is what stopped it, there is no more to say.
void run(const Binding& binding, const Stop& stop) {
  try {
    binding.command->run(binding.parsed, stop);
  } catch (const Stopped&) {
    std::fflush(stdout);
    if (std::ferror(stdout) == 0) std::fprintf(stderr, "stopped before the end\n");
  }
}

[[noreturn]] void fail_word(const std::string& name, const std::string& text,
                            const std::string& expected) {
  throw Error(ErrorKind::kUsage, "--" + name, "expected " + expected + ", got '" + text + "'");
}

}  // namespace

int64_t Parsed::whole(const std::string& name, int64_t low) const {
  const std::string expected =
      str("a whole number of at least ", low, " and at most ", kLargestCount);
  try {
    const int64_t value = parse_count(text(name));
    if (value >= low) return value;
  } catch (const std::invalid_argument&) {  // said below
  }
  fail_word(name, text(name), expected);
}

double Parsed::number(const std::string& name, double low) const {
  try {
    size_t used = 0;
    const double value = std::stod(text(name), &used);
    if (used == text(name).size() && value >= low) return value;
  } catch (const std::logic_error&) {  // said below
  }
  fail_word(name, text(name), str("a number of at least ", low));
}

void run_command_line(int argc, const char* const* argv, const Stop& stop) {
  CLI::App app("lacuna trains Sparse Transformers on long sequences of bytes, pixels and sound.",
               "lacuna");
  app.set_version_flag("--version", [] { return version_text(); });
  app.require_subcommand(1);
  const std::vector<Command> table = commands();
  std::vector<std::unique_ptr<Binding>> bindings;
  add_commands(app, "", table, bindings);
  std::vector<std::string> line(argv + 1, argv + argc);
  for (const auto& binding : bindings) {
    if (binding->command->takes_options && begins_with(line, binding->name)) {
      binding->parsed.overrides = take_overrides(*binding->command, line);
    }
  }
  try {
    app.parse(std::vector<std::string>(line.rbegin(), line.rend()));  // CLI11 wants it backwards
  } catch (const CLI::Success& asked) {                               // --help, --version
    app.exit(asked);
    return;
  } catch (const CLI::ParseError& failure) {
    fail_parse(failure.what(), table, "", line);
  }
  for (const auto& binding : bindings) {
    if (!binding->app->parsed()) continue;
    refuse_extras(*binding);
    for (const auto& [name, set] : binding->switches) {
      binding->parsed.words[name] = set ? "yes" : "";
    }
    run(*binding, stop);
  }
}

}  // namespace lacuna::cli
