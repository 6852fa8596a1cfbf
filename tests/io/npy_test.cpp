#include "lacuna/io/npy.h"

#include <algorithm>
#include <cstring>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"

using namespace lacuna;
using Shape = std::vector<int64_t>;

namespace {

/// The beginning of a file, put together by hand.
std::string start(const std::string& text, int major = 1) {
  std::string bytes = std::string("\x93NUMPY") + static_cast<char>(major) + '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) {
    bytes += static_cast<char>(text.size() >> (8 * i) & 0xff);
  }
  return bytes + text;
}

std::string dictionary(const std::string& dtype, const std::string& shape,
                       const std::string& fortran = "False") {
  return "{'descr': '" + dtype + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

NpyHeader parse(std::string_view bytes) {
  return read_npy_header("there", [bytes](std::byte* out, size_t count) mutable {
    count = std::min(count, bytes.size());
    std::memcpy(out, bytes.data(), count);
    bytes.remove_prefix(count);
    return count;
  });
}

NpyHeader header_of(const std::string& dtype, const std::string& shape = "(2, 3)") {
  return parse(start(dictionary(dtype, shape)));
}

void expect_no_header(const std::string& bytes, const std::string& fragment) {
  INFO(bytes);
  expect_error(ErrorKind::kData, fragment, [&] { parse(bytes); });
  expect_error(ErrorKind::kData, "there", [&] { parse(bytes); });
}

void expect_no_file(const std::string& bytes, const std::string& fragment) {
  const TempFolder folder;
  const std::string path = folder.put("a.npy", bytes);
  expect_error(ErrorKind::kData, fragment, [&] { NpyFile{path}; });
  expect_error(ErrorKind::kData, path, [&] { NpyFile{path}; });
}

}  // namespace

TEST_CASE("npy headers of every version are read", "[npy]") {
  const std::string text = dictionary("<f4", "(2, 3)", "True");
  for (const int version : {1, 2, 3}) {
    const NpyHeader header = parse(start(text, version) + "data");
    CHECK(header.dtype == "<f4");
    CHECK(header.kind == 'f');
    CHECK(header.item_bytes == 4);
    CHECK(!header.big_endian);
    CHECK(header.fortran_order);
    CHECK(header.shape == Shape{2, 3});
    CHECK(header.elements == 6);
    CHECK(header.data_bytes == 24);
    CHECK(header.data_begin == text.size() + (version == 1 ? 10 : 12));
  }
  const std::string padded = text + std::string(70'000, ' ') + '\n';
  CHECK(parse(start(padded, 2)).data_begin == padded.size() + 12);
}

TEST_CASE("npy headers are read however Python writes the dictionary", "[npy]") {
  const auto shape = [](const std::string& text) { return parse(start(text)).shape; };
  CHECK(shape("{'descr':'|u1','fortran_order':False,'shape':(5,)}") == Shape{5});
  CHECK(shape(" { \"shape\" : ( 5 , 6 , ) ,\n\"fortran_order\":True, 'descr':\"|u1\" } \n") ==
        Shape{5, 6});
  CHECK(shape(dictionary("|u1", "()")).empty());
  CHECK(parse(start(dictionary("|u1", "()"))).elements == 1);
  CHECK(shape(dictionary("|u1", "(3L, 4l, 0)")) == Shape{3, 4, 0});
  CHECK(shape(dictionary("|u1", "(9223372036854775807,)")) == Shape{INT64_MAX});
}

TEST_CASE("npy dtypes have a kind, a size and a byte order", "[npy]") {
  struct Known {
    const char* dtype;
    char kind;
    int64_t bytes;
    bool big_endian;
  };
  for (const Known& known :
       {Known{"|u1", 'u', 1, false}, Known{">i8", 'i', 8, true}, Known{"=i2", 'i', 2, false},
        Known{"u4", 'u', 4, false}, Known{">u1", 'u', 1, false}, Known{"|b1", 'b', 1, false},
        Known{"<c16", 'c', 16, false}, Known{"<U10", 'U', 40, false}, Known{"|S5", 'S', 5, false},
        Known{"<M8[ns]", 'M', 8, false}, Known{"|V16", 'V', 16, false},
        Known{"|O", 'O', 0, false}}) {
    const NpyHeader header = header_of(known.dtype);
    CAPTURE(known.dtype);
    CHECK(header.kind == known.kind);
    CHECK(header.item_bytes == known.bytes);
    CHECK(header.big_endian == known.big_endian);
  }
  for (const char* dtype :
       {"", "<", "<i3", "i", "<f", "u1u1", "<i4294967300", "x4", "<<i4", "b8"}) {
    expect_no_header(start(dictionary(dtype, "(2,)")), "none of NumPy's");
  }
}

TEST_CASE("what is no npy header is refused", "[npy]") {
  expect_no_header("", "no .npy");
  expect_no_header("hello world", "np.save");
  expect_no_header("PK\3\4abcdef", "zip");
  expect_no_header("\x80\x04]\x94.   ", "pickle");
  const std::string good = start(dictionary("|u1", "(2,)"));
  for (size_t size = 1; size < good.size(); ++size) {
    expect_no_header(good.substr(0, size), "ends within the header");
  }
  std::string version = good;
  version[6] = 4;
  expect_no_header(version, "version 4.0");
  version[6] = 1;
  version[7] = 1;
  expect_no_header(version, "version 1.1");
  std::string length = start("", 2);
  length[11] = '\x7f';
  expect_no_header(length, "header of 2130706432 bytes, expected at most 1048576");
}

TEST_CASE("npy dictionaries that NumPy does not write are refused", "[npy]") {
  const auto refused = [](const std::string& text, const std::string& fragment) {
    expect_no_header(start(text), fragment);
  };
  refused("", "expected '{'");
  refused("{}", "'descr' is missing");
  refused("{'descr': '|u1', 'shape': (2,)}", "'fortran_order' is missing");
  refused("{'descr': '|u1', 'descr': '|u1'}", "'descr' is unknown or comes twice");
  refused("{'other': '|u1'}", "'other' is unknown");
  refused("{'descr': '|u1' 'shape': (2,)}", "expected ',' or '}'");
  refused("{'descr' '|u1'}", "expected ':'");
  refused("{'descr': '|u1}", "without escapes");
  refused("{'descr': '\\x7cu1'}", "without escapes");
  refused("{'descr': |u1}", "expected '''");
  refused("{'fortran_order': 0}", "expected True or False");
  refused(dictionary("|u1", "(2,)") + "x", "expected nothing more at byte");
  refused(dictionary("|u1", "(2)"), "expected ',' after the only extent");
  refused(dictionary("|u1", "2"), "expected '('");
  refused(dictionary("|u1", "(2, -1)"), "expected a whole number from 0");
  refused(dictionary("|u1", "(02,)"), "expected a whole number from 0");
  refused(dictionary("|u1", "(2.5,)"), "expected ',' or ')'");
  refused(dictionary("|u1", "(,)"), "expected a whole number from 0");
  refused(dictionary("|u1", "(2, 3"), "expected a whole number from 0");
  refused(dictionary("|u1", "(9223372036854775808,)"), "63 bits");
  refused(dictionary("|u1", "(4294967296, 4294967296)"), "overflows");
  refused(dictionary("<i8", "(4611686018427387904,)"), "overflows");
  refused(dictionary("|u1", "(4294967296, 4294967296, 0)"), "overflows");
  refused("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2,)}", "structured");
  refused("{'descr': ('<i4', (2,)), 'fortran_order': False, 'shape': (2,)}", "structured");
}

TEST_CASE("parts of an npy file are read by their place", "[npy]") {
  const TempFolder folder;
  std::string data;
  for (int i = 0; i < 24; ++i) data += static_cast<char>(200 + i);
  NpyFile file(folder.put("a.npy", start(dictionary("|u1", "(2, 4, 3)"), 2) + data));
  CHECK(file.header().shape == Shape{2, 4, 3});
  std::string part(5, '\0');
  file.read(17, 5, reinterpret_cast<std::byte*>(part.data()));
  CHECK(part == data.substr(17, 5));
  file.release();
  std::string whole(24, '\0');
  file.read(0, 24, reinterpret_cast<std::byte*>(whole.data()));
  CHECK(whole == data);
  expect_error(ErrorKind::kInternal, "no such elements", [&] { file.read(20, 5, nullptr); });
  expect_error(ErrorKind::kInternal, "no such elements", [&] { file.read(-1, 1, nullptr); });
}

TEST_CASE("npy files of another size, kind or order are refused", "[npy]") {
  const std::string bytes = start(dictionary("|u1", "(5,)"));
  expect_no_file(bytes + "1234", "its header asks for");
  expect_no_file(bytes + "1234", "cut short");
  expect_no_file(bytes + "123456", "appended");
  expect_no_file(start(dictionary("<f4", "(1,)")) + "1234", "'<f4' of shape (1,), expected bytes");
  expect_no_file(start(dictionary("<f4", "(1,)")) + "1234", "array.astype('uint8')");
  expect_no_file(start(dictionary("|i1", "(4,)")) + "1234", "'|i1'");
  expect_no_file(start(dictionary("|b1", "(4,)")) + "1234", "'|b1'");
  expect_no_file(start(dictionary(">u2", "(2,)")) + "1234", "'>u2'");
  expect_no_file(start(dictionary("|u1", "(2, 2)", "True")) + "1234", "np.ascontiguousarray");
  expect_no_file(start(dictionary("|O", "(2,)")) + "\x80\x04.", "pickled");
  expect_error(ErrorKind::kData, "cannot read the file", [] { NpyFile{"/nowhere/a.npy"}; });
}

TEST_CASE("what npy_bytes writes is what NumPy writes, and reads back", "[npy]") {
  const TempFolder folder;
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{2, 3}, Shape{0, 3}, Shape(40, 1)}) {
    size_t size = 1;
    for (const int64_t extent : shape) size *= static_cast<size_t>(extent);
    std::vector<uint8_t> data(size);
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(i + 250);
    const std::string bytes = npy_bytes(shape, data);
    const NpyFile file(folder.put("a.npy", bytes));
    CHECK(file.header().shape == shape);
    CHECK(file.header().data_begin % 64 == 0);
    CHECK(bytes.size() == file.header().data_begin + size);
    CHECK(std::memcmp(bytes.data() + bytes.size() - size, data.data(), size) == 0);
  }
  const std::string two = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }";
  CHECK(npy_header({2, 3}) == start(two + std::string(118 - two.size() - 1, ' ') + '\n'));
  const std::string one = "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }";
  CHECK(npy_header({5}) == start(one + std::string(118 - one.size() - 1, ' ') + '\n'));
  expect_error(ErrorKind::kInternal, "not that of the data", [] { npy_bytes({3}, {}); });
  expect_error(ErrorKind::kInternal, "makes no size", [] { npy_header({INT64_MAX, 4}); });
}
