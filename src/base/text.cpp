#include "lacuna/base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace lacuna {
namespace {

// Bytes of a UTF-8 character that begins with this one; 0: none does.
size_t utf8_length(unsigned char first) {
  return first < 0x80   ? 1
         : first < 0xC2 ? 0
         : first < 0xE0 ? 2
         : first < 0xF0 ? 3
         : first < 0xF5 ? 4
                        : 0;
}

// Bytes of the UTF-8 character at the beginning of `bytes`; 0: there is none.
size_t utf8_length(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = byte(0);
  const size_t length = utf8_length(first);
  if (length == 0 || bytes.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (length < 3) return length;
  // Longer than needed, halves of UTF-16 pairs, beyond U+10FFFF.
  const bool wrong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) >= 0xA0) ||
                     (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) >= 0x90);
  return wrong ? 0 : length;
}

// What printable() makes of the UTF-8 character at the beginning of `bytes`, which has `length`
// bytes there (0: it is none); empty: the same.
std::string replacement(std::string_view bytes, size_t length) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (length == 0 || (length == 2 && byte(0) == 0xC2 && byte(1) < 0xA0)) return "\xEF\xBF\xBD";
  if (length > 1 || byte(0) == '\t' || byte(0) == '\n') return "";
  if (byte(0) >= ' ' && byte(0) != 0x7F) return "";
  const int picture = byte(0) == 0x7F ? 0x21 : byte(0);  // U+2400 and on
  return std::string("\xE2\x90") + static_cast<char>(0x80 + picture);
}

// Calls take(character, replacement) for each character and each byte that belongs to none.
template <class Take>
void for_each_character(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    const size_t length = utf8_length(bytes);
    const size_t taken = std::max<size_t>(length, 1);
    take(bytes.substr(0, taken), replacement(bytes, length));
    bytes.remove_prefix(taken);
  }
}

// Bytes at the end that are the beginning of a character, as far as can be told.
size_t open_end(std::string_view bytes) {
  for (size_t count = 1; count <= std::min<size_t>(3, bytes.size()); ++count) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - count]);
    if ((byte & 0xC0) != 0x80) return utf8_length(byte) > count ? count : 0;
  }
  return 0;
}

}  // namespace

std::string fixed(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string exact(double value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string human_bytes(uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return fixed(value, unit == 0 ? 0 : 1) + ' ' + units[unit];
}

std::string grouped(int64_t value) {
  std::string text = std::to_string(value < 0 ? -value : value);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return value < 0 ? '-' + text : text;
}

std::string human_seconds(double seconds) {
  const auto whole = static_cast<int64_t>(std::max(0.0, seconds));
  char buffer[64];
  if (whole >= 3600) {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld:%02lld", static_cast<long long>(whole / 3600),
                  static_cast<long long>(whole / 60 % 60), static_cast<long long>(whole % 60));
  } else {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld", static_cast<long long>(whole / 60),
                  static_cast<long long>(whole % 60));
  }
  return buffer;
}

int64_t parse_count(std::string_view text) {
  text = trimmed(text);
  double scale = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
        scale = 1e3;
        break;
      case 'M':
        scale = 1e6;
        break;
      case 'G':
        scale = 1e9;
        break;
      default:
        break;
    }
    if (scale != 1) text.remove_suffix(1);
  }
  double number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  const double value = number * scale;
  if (status != std::errc() || end != text.data() + text.size() || value != std::floor(value) ||
      std::abs(value) > static_cast<double>(kLargestCount)) {
    throw std::invalid_argument("not a whole count");
  }
  return static_cast<int64_t>(value);
}

std::string_view trimmed(std::string_view text) {
  const char* blanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (&part != &parts.front()) text += separator;
    text += part;
  }
  return text;
}

std::string printable(std::string_view bytes) {
  std::string text;
  for_each_character(bytes, [&](std::string_view character, const std::string& other) {
    text += other.empty() ? character : other;
  });
  return text;
}

size_t count_unprintable(std::string_view bytes) {
  size_t count = 0;
  for_each_character(bytes, [&](std::string_view character, const std::string& other) {
    if (!other.empty()) count += character.size();
  });
  return count;
}

bool is_text(std::string_view bytes) {
  return 3 * count_unprintable(bytes) <= bytes.size();
}

std::string_view without_open_end(std::string_view bytes) {
  return bytes.substr(0, bytes.size() - open_end(bytes));
}

std::string PrintableStream::add(std::string_view bytes) {
  open_ += bytes;
  const std::string_view whole = without_open_end(open_);
  std::string text = printable(whole);
  open_.erase(0, whole.size());
  return text;
}

std::string PrintableStream::finish() {
  return printable(std::exchange(open_, ""));
}

std::string hex_view(std::string_view bytes) {
  constexpr size_t kInLine = 16;
  std::string text;
  char piece[32];
  for (size_t begin = 0; begin < bytes.size(); begin += kInLine) {
    const std::string_view line = bytes.substr(begin, kInLine);
    std::snprintf(piece, sizeof piece, "%08zx ", begin);
    text += piece;
    std::string shown;
    for (size_t i = 0; i < kInLine; ++i) {
      if (i % 8 == 0) text += ' ';
      if (i >= line.size()) {
        text += "   ";
        continue;
      }
      const auto byte = static_cast<unsigned char>(line[i]);
      std::snprintf(piece, sizeof piece, "%02x ", byte);
      text += piece;
      shown += byte >= ' ' && byte < 0x7F ? line[i] : '.';
    }
    text += " |" + shown + "|\n";
  }
  return text;
}

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string text = "'";
  for (const char letter : word) text += letter == '\'' ? "'\\''" : std::string(1, letter);
  return text + "'";
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 2) + 1;
  for (const std::string& candidate : known) {
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < name.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t replaced = diagonal + (name[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace lacuna
