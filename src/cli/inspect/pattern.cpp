#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "inspect.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/train/options.h"

namespace lacuna::cli {
namespace {

constexpr int64_t kArtSide = 32;  // characters
constexpr int64_t kMostPositions = int64_t{1} << 24;
constexpr size_t kMostPanels = 16;

// What to show: the attention of each layer.
struct Subject {
  std::vector<std::string> attention;  // repeated over the layers
  int64_t layers, heads, length;
  bool is_model;  // else a lone pattern
};

// Enough positions to see the pattern: four of its strides.
int64_t seen_length(const std::string& pattern) {
  const int64_t stride = sparse::parse_pattern(pattern)->stride();
  return stride > 0 ? std::min(4 * stride, kMostPositions) : 64;
}

bool is_config(const std::string& word) {
  std::error_code ignored;
  return word.ends_with(".toml") || std::filesystem::exists(word, ignored);
}

Subject subject(const Parsed& parsed) {
  const std::string& word = parsed.text("WHAT");
  Subject found{.attention = {word}, .layers = 1, .heads = 8, .length = 0, .is_model = false};
  if (is_config(word)) {
    const train::Options options = train::read_options(config_file(word), parsed.overrides);
    const auto& model = options.model;
    found = {model.attention, model.layers, model.heads, model.context, true};
  } else if (!parsed.overrides.empty()) {
    throw Error(ErrorKind::kUsage, "--" + parsed.overrides.front().first,
                "goes with a configuration, but '" + word + "' is none");
  }
  if (found.attention.empty()) {
    throw Error(ErrorKind::kConfig, "model.attention", "no pattern is given");
  }
  if (parsed.is_set("heads")) found.heads = parsed.whole("heads", 1);
  if (parsed.is_set("context")) found.length = parsed.whole("context", 1);
  if (found.length == 0) found.length = seen_length(word);
  if (found.length > kMostPositions || found.heads > 1024) {
    throw Error(ErrorKind::kUsage, "inspect pattern",
                str("at most ", kMostPositions, " positions and 1024 heads can be shown"));
  }
  return found;
}

std::string heads_text(const std::vector<int64_t>& heads, int64_t all) {
  if (static_cast<int64_t>(heads.size()) == all) return all == 1 ? "the head" : "all heads";
  std::vector<std::string> names;
  for (const int64_t head : heads) {
    if (names.size() == 8) {
      names.emplace_back("...");
      break;
    }
    names.push_back(std::to_string(head));
  }
  return (heads.size() == 1 ? "head " : "heads ") + join(names, ", ");
}

std::string layers_text(const Subject& subject, size_t entry) {
  const auto entries = static_cast<int64_t>(subject.attention.size());
  std::vector<std::string> names;
  for (auto layer = static_cast<int64_t>(entry); layer < subject.layers; layer += entries) {
    if (names.size() == 4 && layer + entries < subject.layers) {
      names.emplace_back("...");
      break;
    }
    names.push_back(std::to_string(layer));
  }
  return (names.size() == 1 ? "layer " : "layers ") + join(names, ", ");
}

void print_group(const sparse::HeadGroup& group, const Subject& subject,
                 const BetweenPieces& between_pieces) {
  const sparse::KeyCounts counts = sparse::key_counts(group.passes, subject.length, between_pieces);
  std::printf("\n%s: keys a query %s to %s, %.1f on average; density %.4g %%\n",
              heads_text(group.heads, subject.heads).c_str(), grouped(counts.least).c_str(),
              grouped(counts.most).c_str(), counts.mean, 100 * counts.density);
  int64_t number = 0;
  for (const sparse::Pass& pass : group.passes) {
    std::string mark = str("  pass ", ++number, ": ");
    for (const std::string& line : sparse::describe(pass)) {
      std::printf("%s%s\n", mark.c_str(), line.c_str());
      mark = "          ";
    }
  }
  std::fputs(
      pattern_art(sparse::density_map(group.passes, subject.length, kArtSide, between_pieces))
          .c_str(),
      stdout);
}

void print_reach(const std::vector<sparse::Reach>& steps, const Subject& subject) {
  const auto before = static_cast<double>(std::max<int64_t>(1, subject.length - 1));
  std::printf("\nwhat the last position can know of, by way of the layers nearest to the output\n");
  std::printf("  %6s  %18s  %21s\n", "layers", "reaches back", "earlier positions");
  for (size_t n = 0; n < steps.size(); ++n) {
    std::printf("  %6zu  %18s  %19.2f %%\n", n + 1, grouped(steps[n].farthest).c_str(),
                100 * static_cast<double>(steps[n].positions) / before);
  }
  if (static_cast<int64_t>(steps.size()) < subject.layers) {
    std::printf("  the other layers add nothing: every position is reached\n");
  }
}

}  // namespace

void inspect_pattern(const Parsed& parsed, const Stop& stop) {
  const BetweenPieces between_pieces = [&] { leave_if(stop); };
  const Subject shown = subject(parsed);
  std::printf("%s positions, %s %s, %s %s\n", grouped(shown.length).c_str(),
              grouped(shown.heads).c_str(), shown.heads == 1 ? "head" : "heads",
              grouped(shown.layers).c_str(), shown.layers == 1 ? "layer" : "layers");
  std::vector<std::vector<sparse::Passes>> of_entry;
  std::vector<PatternPanel> panels;
  for (size_t entry = 0; entry < shown.attention.size(); ++entry) {
    const sparse::PatternPtr pattern = sparse::parse_pattern(shown.attention[entry]);
    of_entry.emplace_back();
    if (static_cast<int64_t>(entry) >= shown.layers) break;
    const std::string where = shown.is_model ? layers_text(shown, entry) + ": " : "";
    const bool seen = std::find(shown.attention.begin(), shown.attention.begin() + entry,
                                shown.attention[entry]) != shown.attention.begin() + entry;
    std::printf("\n%s%s%s\n", where.c_str(), pattern->text().c_str(), seen ? ", as above" : "");
    for (sparse::HeadGroup& group : head_groups(*pattern, shown.heads, shown.length)) {
      if (!seen) print_group(group, shown, between_pieces);
      of_entry.back().push_back(group.passes);
      if (seen || panels.size() == kMostPanels) continue;
      panels.push_back({where + pattern->text(), heads_text(group.heads, shown.heads), pattern,
                        group.heads.front(), std::move(group.passes)});
    }
  }
  std::vector<std::vector<sparse::Passes>> layers;
  for (int64_t layer = 0; layer < shown.layers; ++layer) {
    layers.push_back(of_entry[static_cast<size_t>(layer) % shown.attention.size()]);
  }
  print_reach(sparse::reach_back(layers, shown.length, between_pieces), shown);
  if (!parsed.is_set("png")) return;
  write_pattern_png(parsed.text("png"), panels, shown.length, between_pieces);
}

}  // namespace lacuna::cli
