#include "lacuna/io/event_file.h"

#include <cstring>
#include <numeric>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"

using namespace lacuna;

namespace {

template <class Value>
Value taken(std::string& bytes) {
  REQUIRE(bytes.size() >= sizeof(Value));
  Value value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.erase(0, sizeof value);
  return value;
}

// Of TFRecord: rotated right by 15 bits, plus a constant.
uint32_t masked(std::string_view bytes) {
  const uint32_t sum = crc32c(bytes);
  return ((sum >> 15) | (sum << 17)) + 0xa282ead8;
}

std::vector<std::string> payloads(const std::string& path) {
  std::vector<std::string> found;
  for (std::string rest = read_text(path); !rest.empty();) {
    const std::string length = rest.substr(0, 8);
    const auto size = static_cast<size_t>(taken<uint64_t>(rest));
    CHECK(taken<uint32_t>(rest) == masked(length));
    REQUIRE(rest.size() >= size + 4);
    found.push_back(rest.substr(0, size));
    rest.erase(0, size);
    CHECK(taken<uint32_t>(rest) == masked(found.back()));
  }
  return found;
}

// Of 0.5 as a field 1 of type double, which every event below begins with; `\x10` and the step
// follow.
const std::string kHalf("\x09\0\0\0\0\0\0\xe0\x3f", 9);

}  // namespace

TEST_CASE("CRC-32C agrees with the published vectors of RFC 3720 and of the check word") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43);
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  CHECK(crc32c(rising) == 0x46DD794E);
  CHECK(crc32c(std::string(rising.rbegin(), rising.rend())) == 0x113FDB5C);
}

TEST_CASE("an event file begins with the version of the format and the start of a session") {
  const TempFolder folder;
  EventFile(folder / "events", 0.5);
  const std::vector<std::string> events = payloads(folder / "events");
  REQUIRE(events.size() == 2);
  CHECK(events[0] == kHalf + std::string("\x10\0\x1a\x0d", 4) + "brain.Event:2");
  CHECK(events[1] == kHalf + std::string("\x10\0\x3a\x02\x08\x01", 6));
}

TEST_CASE("scalars of one step are one event, in single precision") {
  const TempFolder folder;
  EventFile file(folder / "events", 0.5);
  file.add_scalars(300, 0.5, {{"a", 1.5}, {"bc", -0.1}});
  file.add_scalars(301, 0.5, {});
  const std::vector<std::string> events = payloads(folder / "events");
  REQUIRE(events.size() == 3);
  // Step 300 is 0xac 0x02; 1.5f is 3fc00000 and -0.1f is bdcccccd, least byte first.
  CHECK(events[2] == kHalf + "\x10\xac\x02\x2a\x15" +
                         std::string("\x0a\x08\x0a\x01"
                                     "a\x15\0\0\xc0\x3f",
                                     10) +
                         "\x0a\x09\x0a\x02"
                         "bc\x15\xcd\xcc\xcc\xbd");
}

TEST_CASE("a long text is one event, with lengths of several bytes") {
  const TempFolder folder;
  EventFile file(folder / "events", 0.5);
  const std::string text(200, 'x');  // 200 is 0xc8 0x01
  file.add_text(1, 0.5, "t", text);
  const std::string value =
      "\x0a\x01t\x42\xcd\x01\x08\x07\x42\xc8\x01" + text + "\x4a\x08\x0a\x06\x0a\x04text";
  CHECK(payloads(folder / "events").at(2) == kHalf + "\x10\x01\x2a\xe0\x01\x0a\xdd\x01" + value);
}

TEST_CASE("an event file that cannot be made or written is an io error") {
  const TempFolder folder;
  expect_error(ErrorKind::kIo, "No such file", [&] { EventFile{folder / "no/file", 0}; });
  expect_error(ErrorKind::kIo, "No space", [] { EventFile{"/dev/full", 0}; });
}
