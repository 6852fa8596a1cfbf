#include "lacuna/nn/kept.h"

#include "lacuna/base/text.h"

namespace lacuna::nn {

const char* name_of(BlockResult result) {
  const char* names[] = {"entry",  "attention input",    "projection",    "attention",
                         "middle", "feed-forward input", "preactivation", "activation"};
  return names[static_cast<size_t>(result)];
}

std::string text_of(BlockResults kept) {
  if (kept == BlockResults::all()) return "everything";
  if (kept == BlockResults::none()) return "nothing";
  std::string text;
  for (int k = 0; k < kBlockResults; ++k) {
    const auto result = static_cast<BlockResult>(k);
    if (kept.has(result)) text += (text.empty() ? "" : ", ") + std::string(name_of(result));
  }
  return text;
}

std::vector<KeptRange> ranges_of(const KeptByBlock& kept, int64_t blocks) {
  if (kept.empty()) return {{1, blocks, BlockResults::all()}};
  std::vector<KeptRange> ranges;
  for (int64_t block = 1; const BlockResults& of_block : kept) {
    if (ranges.empty() || !(ranges.back().kept == of_block)) {
      ranges.push_back({block, block, of_block});
    }
    ranges.back().last = block++;
  }
  return ranges;
}

std::string text_of(const KeptRange& range) {
  return str(range.first, range.last > range.first ? str("-", range.last) : "");
}

std::string text_of(const KeptByBlock& kept, int64_t blocks) {
  std::string text;
  for (const KeptRange& range : ranges_of(kept, blocks)) {
    text += str(text.empty() ? "" : "; ", text_of(range), " ", text_of(range.kept));
  }
  return text;
}

}  // namespace lacuna::nn
