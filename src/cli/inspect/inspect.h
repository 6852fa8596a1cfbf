// The commands below `lacuna inspect`.
#pragma once

#include <string>

#include "lacuna/cli/command.h"
#include "lacuna/sparse/statistics.h"

namespace lacuna::cli {

void inspect_pattern(const Parsed& parsed, const Stop& stop);
void inspect_checkpoint(const Parsed& parsed, const Stop& stop);
void inspect_data(const Parsed& parsed, const Stop& stop);

/// The configuration that a word of the command line means: a file, or that of a run's folder.
std::string config_file(const std::string& path);

/// One picture of a pattern: heads that attend alike, in the layers that share the pattern.
struct PatternPanel {
  std::string title;  // the pattern
  std::string heads;  // "heads 0, 4"
  sparse::PatternPtr pattern;
  int64_t head = 0;  // one of them
  sparse::Passes passes;
};

/// A cell a character, queries downwards and keys to the right, with a frame of line ends.
std::string pattern_art(const sparse::DensityMap& map);

/// All panels side by side; beside each its last positions one by one, when the whole has less than
/// a picture element for each. Throws Error(kIo) and what `between_pieces` throws.
void write_pattern_png(const std::string& path, const std::vector<PatternPanel>& panels,
                       int64_t length, const BetweenPieces& between_pieces);

}  // namespace lacuna::cli
