// Commands of the lacuna binary: one file and one line of src/cli/commands.def each.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lacuna/train/options.h"

namespace lacuna::cli {

/// A positional word or a flag of a command. A flag with a `value` name takes one word.
struct Argument {
  std::string name;     // "RUN" or "--seed"
  std::string value;    // how help calls the flag's word, such as "N"; empty: the flag is a switch
  std::string initial;  // when it is not given
  std::string help;
  bool several = false;   // the last positional: one word or more
  bool optional = false;  // a positional that may be left out
};

/// What the user typed, checked against the command's table.
struct Parsed {
  std::map<std::string, std::string> words;  // by name; every argument of the command is present
  std::vector<std::string> several;          // of the positional that takes several
  std::vector<train::Override> overrides;    // --section.key VALUE

  bool is_set(const std::string& name) const { return !words.at(name).empty(); }
  const std::string& text(const std::string& name) const { return words.at(name); }
  /// Throw Error(kUsage) naming the argument unless it is a number of at least `low`.
  int64_t whole(const std::string& name, int64_t low) const;
  double number(const std::string& name, double low) const;
};

/// Asked by long commands between two pieces of work: is it to end, since the user pressed
/// Ctrl-C or nobody reads what it prints?
using Stop = std::function<bool()>;

/// How a command ends whose exit code other processes have decided, and have said why.
struct EndedWith {
  int code;
};

/// How a command ends that has nothing to save when it is asked to stop.
struct Stopped {};
/// Throws Stopped, for run_command_line() to catch, once stop() is true.
inline void leave_if(const Stop& stop) {
  if (stop()) throw Stopped{};
}

struct Command {
  std::string name;
  std::string summary;
  std::vector<Argument> positionals;
  std::vector<Argument> flags;
  bool takes_options = false;  // accepts --section.key VALUE
  std::function<void(const Parsed&, const Stop&)> run;
  /// If there are any, one of them must follow, and only name and summary of this command are used.
  std::vector<Command> subcommands;
};

/// All commands, in the order of commands.def.
std::vector<Command> commands();

/// Reads a command line and runs its command; says on stderr that it was stopped when the command
/// has thrown Stopped. Throws Error(kUsage) for one that cannot be understood.
void run_command_line(int argc, const char* const* argv, const Stop& stop);

}  // namespace lacuna::cli
