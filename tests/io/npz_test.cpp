#include "lacuna/io/npz.h"

#include <unistd.h>

#include <algorithm>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"

using namespace lacuna;

namespace {

std::string number(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

uint32_t crc_of(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

/// Deflated without being made shorter: one stored block, as the format allows.
std::string deflated(const std::string& bytes) {
  return '\1' + number(bytes.size(), 2) + number(~bytes.size(), 2) + bytes;
}

struct Member {
  std::string name, bytes;
  uint16_t method = 0, flags = 0;
  bool in_64_bits = false;
  int64_t more = 0;  // by which the size that is said differs from that of `bytes`
  uint32_t crc_fault = 0;
};

/// A zip file, put together by hand.
std::string zip(const std::vector<Member>& members) {
  std::string bytes, list;
  for (const Member& member : members) {
    const std::string packed = member.method == 8 ? deflated(member.bytes) : member.bytes;
    const uint64_t size = member.bytes.size() + static_cast<uint64_t>(member.more);
    const std::string extra = member.in_64_bits ? number(1, 2) + number(16, 2) + number(size, 8) +
                                                      number(packed.size(), 8)
                                                : "";
    const std::string facts = number(member.in_64_bits ? 45 : 20, 2) + number(member.flags, 2) +
                              number(member.method, 2) + number(0, 2) + number(33, 2) +
                              number(crc_of(member.bytes) ^ member.crc_fault, 4) +
                              number(member.in_64_bits ? ~0u : packed.size(), 4) +
                              number(member.in_64_bits ? ~0u : size, 4) +
                              number(member.name.size(), 2) + number(extra.size(), 2);
    list += "PK\1\2" + number(45, 2) + facts + number(0, 10) + number(bytes.size(), 4) +
            member.name + extra;
    bytes += "PK\3\4" + facts + member.name + extra + packed;
  }
  return bytes + list + "PK\5\6" + number(0, 4) + number(members.size(), 2) +
         number(members.size(), 2) + number(list.size(), 4) + number(bytes.size(), 4) +
         number(0, 2);
}

std::string array(const std::string& dtype, const std::string& shape, const std::string& data,
                  const std::string& fortran = "False") {
  const std::string text =
      "{'descr': '" + dtype + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\1") + '\0' + number(text.size(), 2) + text + data;
}

std::string content(const NpzFile& file, const std::string& name, int64_t piece = 7) {
  NpzMember member = file.open(name);
  std::string all;
  while (member.left() > 0) {
    std::string part(static_cast<size_t>(std::min(piece, member.left())), '\0');
    member.read(static_cast<int64_t>(part.size()), reinterpret_cast<std::byte*>(part.data()));
    all += part;
  }
  return all;
}

std::string some_bytes(size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * i + 3 * i);
  return bytes;
}

/// That opening the archive or reading all of its member `a` is refused, with file and member.
void expect_npz_refused(const std::string& bytes, const std::string& fragment,
                        const std::string& member = "member 'a'") {
  const TempFolder folder;
  const std::string path = folder.put("there.npz", bytes);
  INFO(fragment);
  const auto use = [&] { content(NpzFile(path), "a"); };
  expect_error(ErrorKind::kData, fragment, use);
  expect_error(ErrorKind::kData, member, use);
  expect_error(ErrorKind::kData, path, use);
  expect_error(ErrorKind::kData, fragment, [&] { content(NpzFile("in memory", bytes), "a"); });
}

/// That reading a member of this array as integers is refused.
void expect_no_integers(const std::string& npy, const std::string& fragment) {
  const std::string bytes = zip({{"a.npy", npy}});
  expect_error(ErrorKind::kData, fragment, [&] { NpzFile("labels", bytes).integers("a"); });
}

/// What NumPy 1.24 writes: savez_compressed of data = arange(24, dtype='u1').reshape(2, 12) % 5 and
/// labels = array([1, 1000], dtype='<i2').
constexpr const char* kOfNumpy =
    "504b03041400000008000000210036a258ad4e0000009800000008001400646174612e6e707901001000980000"
    "00000000004e000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e536aa8aea3a09e965f54"
    "529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a86469a3a0ab50ae4022e06462666162c04"
    "00504b03041400000008000000210041781d0748000000840000000a0014006c6162656c732e6e707901001000"
    "840000000000000048000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a4aea3a09e"
    "965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a9a3a0ab50a14002e468617cc00504b"
    "010214031400000008000000210036a258ad4e0000009800000008000000000000000000000080010000000064"
    "6174612e6e7079504b010214031400000008000000210041781d0748000000840000000a000000000000000000"
    "00008001880000006c6162656c732e6e7079504b050600000000020002006e0000000c0100000000";

std::string of_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

}  // namespace

TEST_CASE("npz members are read in pieces, stored, deflated and with sizes in 64 bits", "[npz]") {
  const TempFolder folder;
  const std::string data = some_bytes(60), bytes = array("|u1", "(5, 12)", data);
  const std::string path = folder.put("a.npz", zip({{"stored.npy", bytes},
                                                    {"deflated.npy", bytes, 8},
                                                    {"no_suffix", bytes},
                                                    {"long.npy", bytes, 0, 0, true},
                                                    {"long_deflated.npy", bytes, 8, 0, true},
                                                    {"none.npy", array("|u1", "(0, 3)", "")}}));
  const NpzFile file(path);
  REQUIRE(file.entries().size() == 6);
  CHECK(file.entries()[1].name == "deflated");
  CHECK(file.entries()[2].name == "no_suffix");
  for (size_t i = 0; i < 5; ++i) {
    CHECK(file.entries()[i].header.shape == std::vector<int64_t>{5, 12});
    CHECK(content(file, file.entries()[i].name) == data);
    CHECK(content(file, file.entries()[i].name, 60) == data);
  }
  CHECK(content(file, "none").empty());
  NpzMember member = file.open("stored");
  expect_error(ErrorKind::kInternal, "no such bytes", [&] { member.read(61, nullptr); });
}

TEST_CASE("an npz of NumPy is read", "[npz]") {
  const std::string bytes = of_hex(kOfNumpy);
  const NpzFile file("of NumPy", bytes);
  REQUIRE(file.entries().size() == 2);
  std::string expected;
  for (int i = 0; i < 24; ++i) expected += static_cast<char>(i % 5);
  CHECK(content(file, "data") == expected);
  CHECK(file.integers("labels") == std::vector<int64_t>{1, 1000});
}

TEST_CASE("integers of every size, sign and byte order are read from an npz", "[npz]") {
  const auto integers = [](const std::string& dtype, const std::string& data, uint16_t method = 0) {
    const std::string bytes = zip({{"a.npy", array(dtype, "(2,)", data), method}});
    return NpzFile("labels", bytes).integers("a");
  };
  using Values = std::vector<int64_t>;
  CHECK(integers("|u1", "\x01\xff") == Values{1, 255});
  CHECK(integers("|i1", "\x01\xff") == Values{1, -1});
  CHECK(integers("<u2", number(1000, 2) + number(65535, 2)) == Values{1000, 65535});
  CHECK(integers("<i4", number(7, 4) + number(~0u, 4)) == Values{7, -1});
  CHECK(integers(">i4", std::string("\0\0\3\xe8\xff\xff\xff\xfe", 8)) == Values{1000, -2});
  CHECK(integers("<i8", number(1000, 8) + number(1ull << 63, 8), 8) == Values{1000, INT64_MIN});
  CHECK(integers("<u8", number(1000, 8) + number(INT64_MAX, 8)) == Values{1000, INT64_MAX});
  CHECK(integers(">u8", std::string("\0\0\0\0\0\0\0\5\0\0\0\0\0\1\0\0", 16)) == Values{5, 65536});
  const std::string none = zip({{"a.npy", array("<i8", "(0,)", "")}});
  CHECK(NpzFile("labels", none).integers("a").empty());

  expect_no_integers(array("<u8", "(1,)", number(1ull << 63, 8)), "leaves 63 bits");
  expect_no_integers(array("<f8", "(1,)", number(0, 8)), "array.astype('int64')");
  expect_no_integers(array("|O", "(1,)", "\x80\x04."), "pickled Python objects");
  expect_no_integers(array("<i2", "(1, 2)", number(0, 4), "True"), "np.ascontiguousarray");
}

TEST_CASE("what is no archive of arrays is refused", "[npz]") {
  const std::string bytes = array("|u1", "(5,)", "12345");
  const std::string good = zip({{"a.npy", bytes}});
  expect_npz_refused("", "cannot be opened as an .npz", "there");
  expect_npz_refused("hello, this is no archive", "cannot be opened as an .npz", "there");
  expect_npz_refused(bytes, "name it .npy", "there");
  expect_npz_refused("\x80\x04]\x94.", "pickle", "there");
  for (const size_t size : {size_t{10}, size_t{40}, good.size() - 30, good.size() - 1}) {
    expect_npz_refused(good.substr(0, size), "cannot be opened as an .npz", "there");
  }
  expect_error(ErrorKind::kData, "cannot read the file", [] { NpzFile{"/nowhere/a.npz"}; });
  expect_error(ErrorKind::kData, "found a folder", [] { NpzFile{"/"}; });
  expect_error(ErrorKind::kData, "device or a pipe", [] { NpzFile{"/dev/null"}; });
  expect_npz_refused(zip({}), "has no member 'a' among 0 members", "there");
  expect_npz_refused(zip({{"aa.npy", bytes}}), "Did you mean 'aa'?", "there");
  expect_npz_refused(zip({{"a.npy", bytes}, {"a", bytes}}), "two members of the name 'a'", "there");
}

TEST_CASE("npz members that are damaged, encrypted or no arrays are refused", "[npz]") {
  const std::string data = some_bytes(60), bytes = array("|u1", "(60,)", data);
  for (const uint16_t method : {uint16_t{0}, uint16_t{8}}) {
    expect_npz_refused(zip({{"a.npy", bytes, method, 0, false, 0, 1}}), "CRC");
    expect_npz_refused(zip({{"a.npy", bytes, method, 1}}), "is encrypted");
    expect_npz_refused(zip({{"a.npy", bytes.substr(0, 100), method}}), "its header asks for");
    expect_npz_refused(zip({{"a.npy", bytes + '1', method}}), "its header asks for");
    expect_npz_refused(zip({{"a.npy", "hello, NumPy", method}}), "no .npy");
    expect_npz_refused(zip({{"a.npy", "", method}}), "no .npy");
    expect_npz_refused(zip({{"a.npy", bytes.substr(0, 20), method}}), "ends within the header");
    expect_npz_refused(zip({{"a.npy", array("<f4", "(15,)", data), method}}),
                       "array.astype('uint8')");
    expect_npz_refused(zip({{"a.npy", array("|u1", "(6, 10)", data, "True"), method}}),
                       "np.ascontiguousarray");
    expect_npz_refused(zip({{"a.npy", array("|O", "(3,)", "\x80\x04."), method}}), "pickled");
    expect_npz_refused(zip({{"a.npy", array("<i3", "(20,)", data), method}}), "none of NumPy's");
  }
  // The archive says more or less than its member holds.
  expect_npz_refused(zip({{"a.npy", bytes.substr(0, bytes.size() - 5), 8, 0, false, 5}}),
                     "too early");
  expect_npz_refused(zip({{"a.npy", bytes + "12345", 8, 0, false, -5}}),
                     "goes on behind its array");
  expect_npz_refused(zip({{"a.npy", bytes, 1}}), "cannot be unpacked");
  std::string broken = zip({{"a.npy", bytes, 8}});
  broken[35] = '\7';  // the kind of the deflated block
  expect_npz_refused(broken, "is damaged");
}

TEST_CASE("an npz is written in pieces and reads back", "[npz]") {
  const TempFolder folder;
  const std::string data = some_bytes(2 * 3 * 4 * 3), path = folder / "samples.npz";
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(data.data()), data.size());
  {
    NpzWriter writer(path, {2, 3, 4, 3});
    writer.write(bytes.first(50));
    writer.write(bytes.subspan(50));
    CHECK(folder.names() != std::vector<std::string>{"samples.npz"});
    writer.commit();
  }
  CHECK(folder.names() == std::vector<std::string>{"samples.npz"});
  const NpzFile file(path);
  REQUIRE(file.entries().size() == 1);
  CHECK(file.entries()[0].name == "arr_0");
  CHECK(file.entries()[0].header.shape == std::vector<int64_t>{2, 3, 4, 3});
  CHECK(content(file, "arr_0") == data);

  {
    NpzWriter unfinished(path, {3});
    unfinished.write(bytes.first(3));
    expect_error(ErrorKind::kInternal, "more data", [&] { unfinished.write(bytes.first(1)); });
    NpzWriter early(folder / "early.npz", {3});
    expect_error(ErrorKind::kInternal, "less data", [&] { early.commit(); });
  }
  CHECK(folder.names() == std::vector<std::string>{"samples.npz"});
  CHECK(content(NpzFile(path), "arr_0") == data);
  expect_error(ErrorKind::kIo, "create a file", [] { NpzWriter("/nowhere/a.npz", {1}); });
}

TEST_CASE("an npz goes into a pipe as into a file", "[npz]") {
  const TempFolder folder;
  const std::string data = some_bytes(10);
  const auto write = [&data](const std::string& path) {
    NpzWriter writer(path, {10});
    writer.write({reinterpret_cast<const uint8_t*>(data.data()), data.size()});
    writer.commit();
  };
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  write("/dev/fd/" + std::to_string(ends[1]));
  close(ends[1]);
  std::string bytes(4096, '\0');
  const ssize_t got = read(ends[0], bytes.data(), bytes.size());
  close(ends[0]);
  REQUIRE(got > 0);
  bytes.resize(static_cast<size_t>(got));
  CHECK(content(NpzFile("piped", bytes), "arr_0") == data);
  write(folder / "a.npz");
  CHECK(read_text(folder / "a.npz") == bytes);
}
