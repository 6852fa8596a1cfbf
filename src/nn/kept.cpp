#include "lacuna/nn/kept.h"

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

}  // namespace lacuna::nn
