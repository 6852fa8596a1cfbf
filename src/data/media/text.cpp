// Bytes of text: shown as they are.
#include "lacuna/base/files.h"
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
  std::vector<int32_t> symbols_of(const std::string& path) const override {
    std::vector<int32_t> symbols;
    for (const char byte : read_text(path)) symbols.push_back(static_cast<unsigned char>(byte));
    return symbols;
  }
};

}  // namespace

std::unique_ptr<Medium> text_medium() {
  return std::make_unique<Text>();
}

}  // namespace lacuna
