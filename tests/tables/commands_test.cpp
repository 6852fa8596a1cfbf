// What every command of src/cli/commands.def must satisfy, within the process;
// tests/system/test_commands.py drives the binary.
#include <iostream>
#include <set>
#include <sstream>

#include "../catch.h"
#include "../expect_error.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"

using namespace lacuna;
using namespace lacuna::cli;

namespace {

using Words = std::vector<std::string>;

/// Each command and each below it, with the words that call it.
void all_of(const std::vector<Command>& table, const Words& before,
            std::vector<std::pair<Words, Command>>& found) {
  for (const Command& command : table) {
    Words words = before;
    words.push_back(command.name);
    found.emplace_back(words, command);
    all_of(command.subcommands, words, found);
  }
}

std::vector<std::pair<Words, Command>> every_command() {
  std::vector<std::pair<Words, Command>> found;
  all_of(commands(), {}, found);
  return found;
}

void run(Words words, const std::string& more) {
  words.insert(words.begin(), "lacuna");
  words.push_back(more);
  std::vector<const char*> line;
  for (const std::string& word : words) line.push_back(word.c_str());
  run_command_line(static_cast<int>(line.size()), line.data(), [] { return false; });
}

/// What `lacuna COMMAND --help` prints, blanks and line ends as one blank each.
std::string help_of(const Words& words) {
  std::ostringstream caught;
  std::streambuf* before = std::cout.rdbuf(caught.rdbuf());
  try {
    run(words, "--help");
  } catch (...) {
    std::cout.rdbuf(before);
    throw;
  }
  std::cout.rdbuf(before);
  std::istringstream printed(caught.str());
  std::string text;
  for (std::string word; printed >> word;) text += word + ' ';
  return text;
}

}  // namespace

TEST_CASE("The help of every command names its arguments, its flags and what lies below it",
          "[tables]") {
  for (const auto& [words, command] : every_command()) {
    const std::string help = help_of(words);
    CAPTURE(join(words, " "), help);
    CHECK(!command.summary.empty());
    CHECK(help.find(command.summary) != std::string::npos);
    const auto named = [&](const std::string& name, const std::string& text) {
      CAPTURE(name);
      CHECK(help.find(' ' + name + ' ') != std::string::npos);
      CHECK(!text.empty());
      CHECK(help.find(text) != std::string::npos);
    };
    for (const Argument& argument : command.positionals) named(argument.name, argument.help);
    for (const Argument& flag : command.flags) {
      named(flag.value.empty() ? flag.name : flag.name + ' ' + flag.value, flag.help);
    }
    for (const Command& below : command.subcommands) named(below.name, below.summary);
    CHECK((help.find("--section.key") != std::string::npos) == command.takes_options);
  }
}

TEST_CASE("Every command refuses a flag that it has not and one whose value is missing",
          "[tables]") {
  for (const auto& [words, command] : every_command()) {
    CAPTURE(join(words, " "));
    std::set<std::string> names;
    for (const Argument& flag : command.flags) {
      CHECK(flag.name.starts_with("--"));
      CHECK(names.insert(flag.name).second);
      if (!flag.value.empty()) {
        expect_error(ErrorKind::kUsage, flag.name, [&, at = words] { run(at, flag.name); });
      }
    }
    // A command that leads to others misses their names first.
    const std::string unknown = "--zzzzzzzzzzzz",
                      place = command.subcommands.empty() ? unknown : "";
    Words complete = words;
    for (const Argument& argument : command.positionals) complete.push_back(argument.name);
    expect_error(ErrorKind::kUsage, place, [&] { run(complete, unknown); });
  }
}
