#include <cstdio>

#include "lacuna/base/names.h"
#include "lacuna/cli/command.h"
#include "lacuna/data/format.h"
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

struct Listing {
  const char *name, *description;
  void (*print)();
};
constexpr Listing kListings[] = {
    {"patterns", "Which positions attend to which: model.attention", list_patterns},
    {"datasets", "What can be trained on: data.format", list_datasets},
    {"optimizers", "What turns gradients into weights: optim.name", list_optimizers},
    {"commands", "What lacuna does", list_commands},
    {"options", "All options of a configuration, as in docs/config.md", list_options}};

void run_list(const Parsed& parsed, const Stop&) {
  const std::string& name = parsed.text("NAME");
  std::vector<std::string> names;
  for (const Listing& listing : kListings) {
    if (name.empty()) print_row(listing.name, listing.description);
    if (name == listing.name) return listing.print();
    names.emplace_back(listing.name);
  }
  if (name.empty()) return;
  throw unknown_name(ErrorKind::kUsage, "list", "table", name, names);
}

}  // namespace

Command make_list_command() {
  return {.name = "list",
          .summary = "Print one of lacuna's tables; alone: their names",
          .positionals = {{.name = "NAME",
                           .help = "which table; without it their names",
                           .optional = true}},
          .flags = {},
          .run = run_list};
}

}  // namespace lacuna::cli
