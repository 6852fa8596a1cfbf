#include "same_on_all.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <vector>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"

namespace lacuna::train {
namespace {

// A host may keep its files elsewhere and have other processors.
const std::set<std::string> kOwn{"train.run",        "train.threads",   "data.paths",
                                 "data.valid_paths", "data.test_paths", "memory.budget"};

std::string checksum_of_this_program() {
  const std::string program = read_text("/proc/self/exe");
  Checksum sum;
  sum.add(program.data(), program.size());
  return sum.text();
}

// One fact a line, the same lines on all ranks of one build.
std::string facts(const Options& options, const std::string& data_identity) {
  std::string lines = str("the program's checksum\t", checksum_of_this_program(), '\n');
  for (const OptionEntry& entry : option_table(options)) {
    if (kOwn.count(entry.name) > 0) continue;
    lines += str(entry.name, '\t', option_text(entry, options), '\n');
  }
  return lines + str("the identity of the data\t", data_identity, '\n');
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The first line by which a rank differs from rank 0.
[[noreturn]] void tell_difference(const std::vector<std::string>& told) {
  const std::vector<std::string> first = lines_of(told[0]);
  for (size_t rank = 1; rank < told.size(); ++rank) {
    const std::vector<std::string> other = lines_of(told[rank]);
    for (size_t line = 0; line < first.size(); ++line) {
      if (line < other.size() && other[line] == first[line]) continue;
      const size_t tab = first[line].find('\t');
      const std::string theirs = line < other.size() ? other[line].substr(tab + 1) : "nothing";
      throw Error(ErrorKind::kConfig, first[line].substr(0, tab),
                  str("differs between ranks: rank 0 has ", first[line].substr(tab + 1), ", rank ",
                      rank, " has ", theirs),
                  "Start all ranks with the same program, options and data");
    }
  }
  throw Error(ErrorKind::kConfig, "the ranks", "differ in what they compare");
}

}  // namespace

void check_same_on_all(Group& group, const Options& options, const std::string& data_identity) {
  if (group.world().alone()) return;
  const std::string own = facts(options, data_identity);
  Checksum sum;
  sum.add(own.data(), own.size());
  const std::vector<std::string> sums =
      group.exchange("the checksum of what ranks compare", sum.text());
  const bool same = std::all_of(sums.begin(), sums.end(),
                                [&](const std::string& other) { return other == sums[0]; });
  if (!same) tell_difference(group.exchange("what ranks compare", own));
}

}  // namespace lacuna::train
