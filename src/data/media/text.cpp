// Bytes of text: shown as they are.
#include "lacuna/data/medium.h"

namespace lacuna {
namespace {

class Text final : public Medium {
 public:
  Unit unit() const override { return {"byte"}; }
  std::string printed(int32_t symbol, bool) const override {
    return std::string(1, static_cast<char>(symbol));
  }
  std::string suffix() const override { return ".txt"; }
  std::string file(std::span<const int32_t> symbols) const override {
    return {symbols.begin(), symbols.end()};
  }
};

}  // namespace

std::unique_ptr<Medium> text_medium() {
  return std::make_unique<Text>();
}

}  // namespace lacuna
