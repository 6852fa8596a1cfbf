#include <cstdio>

#include "lacuna/base/names.h"
#include "lacuna/cli/command.h"
#include "lacuna/data/dataset.h"
#include "lacuna/optim/optimizer.h"
#include "lacuna/sparse/pattern.h"

namespace lacuna::cli {
namespace {

void print_row(const std::string& name, const std::string& description) {
  std::printf("%-32s %s\n", name.c_str(), description.c_str());
}

void list_patterns() {
  for (const auto& entry : sparse::known_patterns()) print_row(entry.form, entry.description);
}

void list_datasets() {
  for (const auto& entry : dataset_formats()) print_row(entry.name, entry.description);
}

void list_optimizers() {
  for (const auto& entry : optim::known_optimizers()) print_row(entry.name, entry.description);
}

void list_commands() {
  for (const Command& command : commands()) {
    print_row(command.name, command.summary);
    for (const Command& below : command.subcommands) {
      print_row(command.name + ' ' + below.name, below.summary);
    }
  }
}

void list_options() {
  std::fputs(train::options_markdown().c_str(), stdout);
}

constexpr std::pair<const char*, void (*)()> kTables[] = {{"patterns", list_patterns},
                                                          {"datasets", list_datasets},
                                                          {"optimizers", list_optimizers},
                                                          {"commands", list_commands},
                                                          {"options", list_options}};

void run_list(const Parsed& parsed, const Stop&) {
  const std::string& name = parsed.text("NAME");
  std::vector<std::string> names;
  for (const auto& [known, print] : kTables) {
    if (name == known) return print();
    names.emplace_back(known);
  }
  throw unknown_name(ErrorKind::kUsage, "list", "table", name, names);
}

}  // namespace

Command make_list_command() {
  return {.name = "list",
          .summary = "Print a table: patterns, datasets, optimizers, commands or options",
          .positionals = {{"NAME", "", "", "which table"}},
          .flags = {},
          .run = run_list};
}

}  // namespace lacuna::cli
