// Small text helpers: joining values into a message, numbers as people read and write them.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace lacuna {

/// All arguments written one after the other, as by operator<<.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

/// `value` with exactly `digits` digits after the point.
std::string fixed(double value, int digits);

/// The shortest decimal text that reads back as exactly `value`; always has a point or exponent.
std::string exact(double value);

/// 1536 -> "1.5 KiB".
std::string human_bytes(uint64_t bytes);

/// 1234567 -> "1,234,567".
std::string grouped(int64_t value);

/// 3725 -> "1:02:05", 65 -> "1:05".
std::string human_seconds(double seconds);

/// What parse_count() reads at most: up to here a double holds every whole number.
inline constexpr int64_t kLargestCount = 9'000'000'000'000'000;
/// "90M", "4096", "1.5G", "64k" (powers of 1000) as a count; throws std::invalid_argument when
/// `text` is not such a number, is not whole or is beyond kLargestCount either way.
int64_t parse_count(std::string_view text);

std::string_view trimmed(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// Any bytes as UTF-8 that every program can show: control characters but tabs and line breaks
/// become their pictures (U+2400 and on); what is no UTF-8, and control characters that have no
/// picture (U+0080 to U+009F), become U+FFFD.
std::string printable(std::string_view bytes);

/// How many of the bytes printable() replaces.
size_t count_unprintable(std::string_view bytes);

/// Whether bytes say something when they are shown as text: printable() replaces a third of them at
/// most. More than a half of random bytes are no text; a few are what a model writes that still
/// learns its alphabet, or of another encoding.
bool is_text(std::string_view bytes);

/// Without the beginning of a UTF-8 character at the end, where the bytes were cut within one.
std::string_view without_open_end(std::string_view bytes);

/// printable() of bytes that come in pieces: a character is shown once it is whole.
class PrintableStream {
 public:
  std::string add(std::string_view bytes);
  /// What is left of a character that did not come to its end.
  std::string finish();

 private:
  std::string open_;  // the beginning of a character
};

/// Bytes by their numbers, 16 a line: place and bytes in hexadecimal, then those that are printable
/// ASCII, the others as dots. "00000010  4c 6f ...  |Lo..|"
std::string hex_view(std::string_view bytes);

/// A word as a shell takes it: in quotes where it must be.
std::string shell_quoted(std::string_view word);

/// The entry of `known` with the smallest edit distance to `name`; empty when none is close.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace lacuna
