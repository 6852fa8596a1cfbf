// The header of an .npy: a magic number, a version, a length and a Python dictionary, of which only
// what NumPy itself writes is read.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/io/npy.h"
#include "safetensors_types.h"

namespace lacuna {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
// Headers of NumPy have some hundred bytes unless their elements have fields, which are refused.
constexpr uint32_t kLongestHeader = 1 << 20;
constexpr size_t kLongestExcerpt = 100;

std::string excerpt(std::string_view text) {
  return printable(text.size() <= kLongestExcerpt ? text
                                                  : str(text.substr(0, kLongestExcerpt), "..."));
}

/// Reads the values of Python that a header has. Throws std::invalid_argument with what is wrong.
class Literals {
 public:
  explicit Literals(std::string_view text) : text_(text) {}

  /// Whether `c` comes next, blanks aside; takes it if so.
  bool take(char c) {
    if (!comes(c)) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse(str("expected '", c, "'"));
  }
  bool comes(char c) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == c;
  }
  void expect_end() {
    skip_blanks();
    if (at_ < text_.size()) refuse("expected nothing more");
  }

  std::string string() {
    const char quote = comes('"') ? '"' : '\'';
    expect(quote);
    const size_t end = text_.find(quote, at_);
    const std::string_view inside = text_.substr(at_, end - at_);
    if (end == std::string_view::npos || inside.find_first_of("\\\n\r") != std::string_view::npos) {
      refuse("expected a string without escapes");
    }
    at_ = end + 1;
    return std::string(inside);
  }

  bool boolean() {
    skip_blanks();
    for (const auto& [word, value] :
         {std::pair(std::string_view("True"), true), {"False", false}}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return value;
    }
    refuse("expected True or False");
  }

  /// Whole numbers from 0; with one the comma is not left out, as it makes the tuple.
  std::vector<int64_t> tuple() {
    expect('(');
    std::vector<int64_t> values;
    bool comma = true;
    while (!take(')')) {
      if (!comma) refuse("expected ',' or ')'");
      values.push_back(number());
      comma = take(',');
    }
    if (values.size() == 1 && !comma) refuse("expected ',' after the only extent");
    return values;
  }

  [[noreturn]] void refuse(const std::string& fault) const {
    throw std::invalid_argument(str(fault, " at byte ", at_, ", found '",
                                    excerpt(text_.substr(std::min(at_, text_.size()))), "'"));
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\n\r\f", at_), text_.size()); }

  int64_t number() {
    skip_blanks();
    const auto is_digit = [this](size_t at) {
      return at < text_.size() && text_[at] >= '0' && text_[at] <= '9';
    };
    if (!is_digit(at_) || (text_[at_] == '0' && is_digit(at_ + 1))) {
      refuse("expected a whole number from 0");
    }
    int64_t value = 0;
    for (; is_digit(at_); ++at_) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[at_] - '0', &value)) {
        refuse("expected an extent of 63 bits");
      }
    }
    if (at_ < text_.size() && (text_[at_] == 'L' || text_[at_] == 'l')) ++at_;  // Python 2
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
};

/// Bytes of one element; empty where NumPy has no such type.
std::optional<int64_t> item_bytes(char kind, std::string_view digits) {
  if (kind == 'O') return 0;
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  const int64_t count = parse_count(digits);
  const auto one_of = [count](std::initializer_list<int64_t> sizes) {
    return std::find(sizes.begin(), sizes.end(), count) != sizes.end() ? std::optional(count)
                                                                       : std::nullopt;
  };
  switch (kind) {
    case 'b':
      return one_of({1});
    case 'i':
    case 'u':
      return one_of({1, 2, 4, 8});
    case 'f':
      return one_of({2, 4, 8, 12, 16});
    case 'c':
      return one_of({8, 16, 24, 32});
    case 'M':
    case 'm':
      return one_of({8});
    case 'U':
      return 4 * count;
    case 'S':
    case 'a':
    case 'V':
      return count;
    default:
      return std::nullopt;
  }
}

/// Splits a name such as "<i4" or "<M8[ns]" into byte order, kind and size.
void read_dtype(NpyHeader& header) {
  std::string_view name = header.dtype;
  const bool ordered =
      !name.empty() && std::string_view("<>|=").find(name[0]) != std::string_view::npos;
  if (ordered) name.remove_prefix(1);
  header.kind = name.empty() ? '\0' : name[0];
  name.remove_prefix(name.empty() ? 0 : 1);
  if (header.kind == 'M' || header.kind == 'm') name = name.substr(0, name.find('['));  // its unit
  const bool digits = name.find_first_not_of("0123456789") == std::string_view::npos;
  const auto bytes = digits ? item_bytes(header.kind, name) : std::nullopt;
  if (!bytes) {
    throw std::invalid_argument(str("the dtype '", excerpt(header.dtype), "' is none of NumPy's"));
  }
  header.item_bytes = *bytes;
  header.big_endian = header.dtype[0] == '>' && *bytes > 1;
}

NpyHeader parse(std::string_view text) {
  NpyHeader header;
  Literals literals(text);
  constexpr std::array<std::string_view, 3> kKeys = {"descr", "fortran_order", "shape"};
  std::array<bool, kKeys.size()> seen{};
  literals.expect('{');
  bool comma = true;
  while (!literals.take('}')) {
    if (!comma) literals.refuse("expected ',' or '}'");
    const std::string key = literals.string();
    const auto which =
        static_cast<size_t>(std::find(kKeys.begin(), kKeys.end(), key) - kKeys.begin());
    if (which == kKeys.size() || std::exchange(seen[which], true)) {
      throw std::invalid_argument(str("the key '", excerpt(key), "' is unknown or comes twice"));
    }
    literals.expect(':');
    if (which == 0) {
      if (literals.comes('[') || literals.comes('(')) {
        throw std::invalid_argument(
            "its elements are structured (have fields or a shape of their own)");
      }
      header.dtype = literals.string();
    } else if (which == 1) {
      header.fortran_order = literals.boolean();
    } else {
      header.shape = literals.tuple();
    }
    comma = literals.take(',');
  }
  literals.expect_end();
  for (size_t i = 0; i < kKeys.size(); ++i) {
    if (!seen[i]) throw std::invalid_argument(str("the key '", kKeys[i], "' is missing"));
  }
  read_dtype(header);
  const auto elements = array_size(header.shape, 1);
  const auto bytes = array_size(header.shape, header.item_bytes);
  if (!elements || !bytes) throw std::invalid_argument("its shape overflows 63 bits");
  header.elements = *elements;
  header.data_bytes = *bytes;
  return header;
}

Error cut_short(const std::string& place, size_t wanted, size_t had) {
  return Error(
      ErrorKind::kData, place,
      str("ends within the header of an .npy: ", wanted, " bytes expected, ", had, " came"),
      "It was probably cut short while it was copied or downloaded");
}

Error no_npy(const std::string& place, std::string_view beginning) {
  const char* hint = "Save it in Python with np.save";
  if (beginning.starts_with("PK")) hint = "It is a zip archive, as an .npz is; name it so";
  if (beginning.starts_with('\x80')) {
    hint =
        "It seems to be a pickle, which is not read since it may run any program: load it in "
        "Python and save it with np.save or np.savez";
  }
  return Error(ErrorKind::kData, place, "is no .npy: it does not begin with \\x93NUMPY", hint);
}

}  // namespace

NpyHeader read_npy_header(const std::string& place, const NextBytes& next) {
  const auto read = [&](std::string& out) {
    const size_t wanted = out.size();
    out.resize(next(reinterpret_cast<std::byte*>(out.data()), wanted));
    return out.size() == wanted;
  };
  std::string start(kMagic.size() + 2, '\0');
  const bool whole = read(start);
  if (!start.starts_with(kMagic.substr(0, std::max<size_t>(start.size(), 1)))) {
    throw no_npy(place, start);
  }
  if (!whole) throw cut_short(place, kMagic.size() + 2, start.size());
  const int major = static_cast<unsigned char>(start[6]),
            minor = static_cast<unsigned char>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    throw Error(ErrorKind::kData, place,
                str("is an .npy of version ", major, '.', minor, ", known are 1.0, 2.0 and 3.0"));
  }
  std::string length_bytes(major == 1 ? 2 : 4, '\0');
  const size_t length_size = length_bytes.size();
  if (!read(length_bytes)) throw cut_short(place, length_size, length_bytes.size());
  uint32_t length = 0;  // little-endian
  std::memcpy(&length, length_bytes.data(), length_size);
  if (length > kLongestHeader) {
    throw Error(ErrorKind::kData, place,
                str("has a header of ", length, " bytes, expected at most ", kLongestHeader));
  }
  std::string text(length, '\0');
  if (!read(text)) throw cut_short(place, length, text.size());
  try {
    NpyHeader header = parse(text);
    header.data_begin = start.size() + length_size + length;
    return header;
  } catch (const std::invalid_argument& fault) {
    throw Error(ErrorKind::kData, place, str("cannot be read as an .npy: ", fault.what()));
  }
}

}  // namespace lacuna
