// Symbols without a meaning: shown as numbers.
#include "lacuna/base/error.h"
#include "lacuna/data/medium.h"

namespace lacuna {
namespace {

class Symbols final : public Medium {
 public:
  Symbols(int64_t vocabulary, const WindowGrid& grid) : vocabulary_(vocabulary), grid_(grid) {}

  int64_t vocabulary() const override { return vocabulary_; }
  Unit unit() const override { return {"symbol"}; }
  WindowGrid grid() const override { return grid_; }
  std::string printed(int32_t symbol, bool first) const override {
    return (first ? "" : " ") + std::to_string(symbol);
  }
  std::string suffix() const override { return ".txt"; }
  std::string file(std::span<const int32_t> symbols) const override {
    std::string text;
    for (const int32_t symbol : symbols) text += printed(symbol, text.empty());
    return text;
  }

  std::vector<int32_t> symbols_of(const std::string& path) const override {
    throw Error(ErrorKind::kData, path, "symbols without a meaning are not read from files");
  }

 private:
  int64_t vocabulary_;
  WindowGrid grid_;
};

}  // namespace

std::unique_ptr<Medium> symbol_medium(int64_t vocabulary, const WindowGrid& grid) {
  return std::make_unique<Symbols>(vocabulary, grid);
}

}  // namespace lacuna
