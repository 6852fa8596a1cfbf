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

std::string text_of(const KeptByBlock& kept, int64_t blocks) {
  const KeptByBlock all =
      kept.empty() ? KeptByBlock(static_cast<size_t>(blocks), BlockResults::all()) : kept;
  std::string text;
  for (size_t first = 0, end = 0; first < all.size(); first = end) {
    while (end < all.size() && all[end] == all[first]) ++end;
    text += str(text.empty() ? "" : "; ", first + 1, end > first + 1 ? str("-", end) : "", " ",
                text_of(all[first]));
  }
  return text;
}

}  // namespace lacuna::nn
