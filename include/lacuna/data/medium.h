// What the symbols of a format mean: their unit, the shape of a sample, and how a person is shown
// them. All of it follows from the options, so that a saved run has it without its data.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lacuna/io/picture.h"

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
  /// Of one whole sample, which a window holds exactly: rows, columns and channels of a picture.
  /// Empty: a sample is as long as one likes.
  virtual std::vector<int64_t> shape() const { return {}; }
  /// The product of its shape; 0 where that is empty.
  int64_t sample_size() const;
  /// Units a second, of what is heard over time; else 0.
  virtual int64_t rate() const { return 0; }
  /// Sizes of the position tables that suit a sample, last one fastest; empty: none are special.
  virtual std::vector<int64_t> position_tables() const { return {}; }

  /// Changes a training sample by random bits, where the options ask for it.
  virtual void augment(std::span<int32_t>, uint32_t) const {}

  /// What one symbol adds to what a terminal or a text file shows; `first`: of a sample. Empty for
  /// every symbol of what can only be shown as a file.
  virtual std::string printed(int32_t symbol, bool first) const = 0;
  /// Of the name of a file that shows a sample: ".txt".
  virtual std::string suffix() const = 0;
  /// The content of such a file. A picture that is not whole is black where it ends.
  virtual std::string file(std::span<const int32_t> symbols) const = 0;
  /// One file of the same suffix with several samples of a whole shape: a grid of pictures, row by
  /// row. Empty where such samples are not shown together.
  virtual std::string sheet(std::span<const std::vector<int32_t>>) const { return ""; }
  /// Whether they are.
  virtual bool has_sheet() const { return false; }
  /// The symbols of a file of any kind that the format reads, as it would read it to train on, for
  /// a model to go on with. Throws Error(kData).
  virtual std::vector<int32_t> symbols_of(const std::string& path) const = 0;
};

/// Bytes of text.
std::unique_ptr<Medium> text_medium();
/// Numbers below `vocabulary` without a meaning; their files are not read.
std::unique_ptr<Medium> symbol_medium(int64_t vocabulary, const WindowGrid& grid);
/// Pictures as the target makes them of files. `mirrored`: half of the training samples are, from
/// left to right.
std::unique_ptr<Medium> picture_medium(const PictureTarget& target, bool mirrored);

/// How sound becomes symbols.
enum class SoundCode : uint8_t {
  kMuLaw,   // 8-bit mu-law, one symbol a sample
  k16Bits,  // linear, two symbols a sample, the more significant byte first
};
/// Mono sound of `rate` samples a second.
std::unique_ptr<Medium> sound_medium(int64_t rate, SoundCode code);

}  // namespace lacuna
