// What the symbols of a format mean: their unit, the shape of a sample, and how a person is shown
// them. All of it follows from the options, so that a saved run has it without its data.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lacuna {

/// What the score of a model is per: bits per byte, per dim (one channel of a pixel), per sample.
struct Unit {
  std::string name;     // "byte"
  int64_t symbols = 1;  // how many make one
  /// "bits per byte".
  std::string bits() const { return "bits per " + name; }
};

/// Where windows of the training part begin.
struct WindowGrid {
  int64_t alignment = 1;  // at multiples of it
  bool shifted = true;    // in each epoch from another offset on; else from the first symbol on
};

/// Constant: every member function may be called by several threads at once.
class Medium {
 public:
  virtual ~Medium() = default;

  virtual int64_t vocabulary() const { return 256; }
  virtual Unit unit() const = 0;
  virtual WindowGrid grid() const { return {}; }
  /// Symbols of one whole sample, such as a picture, which a window holds exactly; 0: a sample is
  /// as long as one likes.
  virtual int64_t sample_size() const { return 0; }
  /// Sizes of the position tables that suit a sample, last one fastest; empty: none are special.
  virtual std::vector<int64_t> position_tables() const { return {}; }

  /// What one symbol adds to what a terminal or a text file shows; `first`: of a sample. Empty for
  /// every symbol of what can only be shown as a file.
  virtual std::string printed(int32_t symbol, bool first) const = 0;
  /// Of the name of a file that shows a sample: ".txt".
  virtual std::string suffix() const = 0;
  /// The content of such a file. A picture that is not whole is filled up with its background.
  virtual std::string file(std::span<const int32_t> symbols) const = 0;
};

/// Bytes of text.
std::unique_ptr<Medium> text_medium();
/// Numbers below `vocabulary` without a meaning.
std::unique_ptr<Medium> symbol_medium(int64_t vocabulary, const WindowGrid& grid);

}  // namespace lacuna
