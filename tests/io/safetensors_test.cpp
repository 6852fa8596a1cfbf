#include "lacuna/io/safetensors.h"

#include <cstring>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"

using namespace lacuna;

namespace {

/// A file in the format, put together by hand: header and data as given.
std::string image(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return bytes + header + data;
}

void expect_refused(const std::string& bytes, const std::string& fragment) {
  const TempFolder folder;
  const std::string path = folder.put("damaged.safetensors", bytes);
  expect_error(ErrorKind::kData, fragment, [&] { SafetensorsFile{path}; });
  expect_error(ErrorKind::kData, path, [&] { SafetensorsFile{path}; });
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return '"' + name + "\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + '}';
}

/// A file with one record 'w' over 8 bytes of data.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return image('{' + entry("w", dtype, shape, offsets) + '}', "01234567");
}

}  // namespace

TEST_CASE("safetensors come back as they were written") {
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<float> weights = {1.5f, -2.25f, 3e-8f, 0.f, 5.f, 6.f};
  const std::vector<double> moments = {0.1, -1e300};
  const std::vector<int32_t> counts = {-7};
  const std::vector<uint16_t> halves = {0x3f80, 0x7fff, 1};
  const std::string pixels = "\x01\xff\x02";
  const std::vector<TensorRecord> records = {{"z.weights", "F32", {2, 3}, weights.data()},
                                             {"moments \"m\\1\"", "F64", {2}, moments.data()},
                                             {"empty", "F32", {4, 0, 2}, nullptr},
                                             {"step", "I32", {}, counts.data()},
                                             {"bf16", "BF16", {3, 1}, halves.data()},
                                             {"fp16", "F16", {1, 3}, halves.data()},
                                             {"a.pixels", "U8", {3}, pixels.data()}};
  const std::map<std::string, std::string> metadata = {{"config", "[model]\nwidth = 8\t\"x\""},
                                                       {"", ""}};
  write_safetensors(path, records, metadata);

  const SafetensorsFile file(path);
  CHECK(file.metadata() == metadata);
  REQUIRE(file.records().size() == records.size());
  const size_t sizes[] = {24, 16, 0, 4, 6, 6, 3};
  for (size_t i = 0; i < records.size(); ++i) {
    const TensorRecord& read = file.records()[i];
    CHECK(read.name == records[i].name);
    CHECK(read.dtype == records[i].dtype);
    CHECK(read.shape == records[i].shape);
    CHECK(byte_size(read) == static_cast<int64_t>(sizes[i]));
    if (sizes[i] > 0) CHECK(std::memcmp(read.data, records[i].data, sizes[i]) == 0);
    CHECK(&file.find(records[i].name) == &read);
  }
}

TEST_CASE("the bytes of a safetensors file are those of the published format") {
  const TempFolder folder;
  const int32_t value = 0x04030201;
  write_safetensors(folder / "a", {{"b", "I32", {1}, &value}, {"a", "U8", {2, 1}, "xy"}},
                    {{"k", "v"}});
  std::string header = R"({"__metadata__":{"k":"v"},)"
                       R"("b":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},)"
                       R"("a":{"dtype":"U8","shape":[2,1],"data_offsets":[4,6]}})";
  while (header.size() % 8 != 0) header += ' ';
  CHECK(read_text(folder / "a") == image(header, "\x01\x02\x03\x04xy"));
  CHECK(folder.names() == std::vector<std::string>{"a"});
}

TEST_CASE("a safetensors file without records or metadata is sound") {
  const TempFolder folder;
  write_safetensors(folder / "none", {}, {});
  const SafetensorsFile file(folder / "none");
  CHECK(file.records().empty());
  CHECK(file.metadata().empty());
}

TEST_CASE("metadata that is no UTF-8 does not stop a checkpoint") {
  const TempFolder folder;
  write_safetensors(folder / "f", {}, {{"path", "a\xff"}});
  CHECK(SafetensorsFile(folder / "f").metadata().at("path") == "a\xef\xbf\xbd");
}

TEST_CASE("records that break the rules are refused before a file is made") {
  const TempFolder folder;
  const auto refuse = [&](std::vector<TensorRecord> records, const std::string& fragment) {
    expect_error(ErrorKind::kInternal, fragment,
                 [&] { write_safetensors(folder / "f", records, {}); });
  };
  refuse({{"a", "U8", {1}, "x"}, {"a", "U8", {1}, "x"}}, "'a'");
  refuse({{"", "U8", {1}, "x"}}, "name");
  refuse({{"caf\xc3\xa9", "U8", {1}, "x"}}, "ASCII");
  refuse({{"__metadata__", "U8", {1}, "x"}}, "name");
  refuse({{"a", "F8", {1}, "x"}}, "'F8'");
  refuse({{"a", "U8", {-1}, "x"}}, "size");
  refuse({{"a", "F32", {int64_t{1} << 61}, "x"}}, "size");
  refuse({{"a", "U8", {INT64_MAX}, "x"}, {"b", "U8", {1}, "x"}}, "63 bits");
  CHECK(folder.names().empty());
}

TEST_CASE("a record that is not there is answered with the nearest name") {
  const TempFolder folder;
  write_safetensors(folder / "f", {{"block.0.gain", "U8", {1}, "x"}}, {});
  const SafetensorsFile file(folder / "f");
  expect_error(ErrorKind::kData, "block.0.gain", [&] { file.find("block.0.gian"); });
  expect_error(ErrorKind::kData, "block.9", [&] { file.find("block.9"); });
}

TEST_CASE("a sound file put together by hand is read, whatever the order of its header") {
  const TempFolder folder;
  const std::string header = '{' + entry("late", "\"U8\"", "[3]", "[4,7]") + ',' +
                             entry("early", "\"F32\"", "[1]", "[0,4]") + '}';
  const SafetensorsFile file(folder.put("f", image(header, "0123abc")));
  CHECK(file.records().front().name == "early");
  CHECK(std::memcmp(file.find("late").data, "abc", 3) == 0);
}

TEST_CASE("a safetensors file that is cut short is refused at every length") {
  const TempFolder folder;
  const std::string sound = one("\"F32\"", "[2]", "[0,8]");
  CHECK(SafetensorsFile(folder.put("sound", sound)).records().size() == 1);
  for (size_t length = 0; length < sound.size(); ++length) {
    CHECK_THROWS_AS(SafetensorsFile(folder.put("cut", sound.substr(0, length))), Error);
  }
  expect_refused("", "8 bytes");
  expect_refused("1234567", "8 bytes");
  expect_refused(sound.substr(0, 30), "header is said");
  expect_refused(sound.substr(0, sound.size() - 1), "'w' ends at byte 8");
}

TEST_CASE("a damaged safetensors header length is refused") {
  expect_refused(std::string(8, '\xff'), "header is said");
  expect_refused(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10), "header is said");
  expect_refused(std::string("\x03\0\0\0\0\0\0\0{}", 10), "header is said");
  expect_refused(image("", ""), "JSON");
}

TEST_CASE("a safetensors header that is no JSON object is refused") {
  expect_refused(image("{", ""), "JSON");
  expect_refused(image("{}x", ""), "JSON");
  expect_refused(image("[]", ""), "expected an object");
  expect_refused(image("{\"a\xff\":1}", ""), "JSON");
  expect_refused(image("{\"w\":7}", ""), "'w'");
  expect_refused(image('{' + entry("w", "\"U8\"", "[0]", "[0,0]") + ',' +
                           entry("w", "\"U8\"", "[0]", "[0,0]") + '}',
                       ""),
                 "'w' appears twice");
}

TEST_CASE("damaged safetensors metadata is refused") {
  expect_refused(image("{\"__metadata__\":3}", ""), "__metadata__");
  expect_refused(image("{\"__metadata__\":{\"step\":3}}", ""), "'step'");
}

TEST_CASE("a record with a damaged member is refused and named") {
  expect_refused(image(R"({"w":{"shape":[8],"data_offsets":[0,8]}})", "01234567"), "'dtype'");
  expect_refused(image(R"({"w":{"dtype":"U8","data_offsets":[0,8]}})", "01234567"), "'shape'");
  expect_refused(image(R"({"w":{"dtype":"U8","shape":[8]}})", "01234567"), "'data_offsets'");
  expect_refused(one("\"I64\"", "[1]", "[0,8]"), "'w': its dtype is \"I64\"");
  expect_refused(one("5", "[8]", "[0,8]"), "its dtype is 5");
  expect_refused(one("\"U8\"", "8", "[0,8]"), "'shape'");
  expect_refused(one("\"U8\"", "[-8]", "[0,8]"), "-8");
  expect_refused(one("\"U8\"", "[8.0]", "[0,8]"), "8.0");
  expect_refused(one("\"U8\"", "[\"8\"]", "[0,8]"), "'shape'");
  expect_refused(one("\"U8\"", "[9223372036854775808]", "[0,8]"), "9223372036854775808");
  expect_refused(one("\"U8\"", "[8]", "[0]"), "[begin, end]");
  expect_refused(one("\"U8\"", "[8]", "[0,8,8]"), "[begin, end]");
  expect_refused(one("\"U8\"", "[8]", "{}"), "[begin, end]");
  expect_refused(one("\"U8\"", "[8]", "[-8,0]"), "begin");
  expect_refused(one("\"U8\"", "[8]", "[8,0]"), "8 bytes");
}

TEST_CASE("a record whose size is not that of its shape is refused, overflow included") {
  expect_refused(one("\"F32\"", "[1]", "[0,8]"), "4 bytes");
  expect_refused(one("\"F64\"", "[2]", "[0,8]"), "16 bytes");
  // 2^32 * 2^32 wraps to 0; (2^62 + 2) * 4 wraps to 8.
  expect_refused(one("\"U8\"", "[4294967296,4294967296]", "[0,0]"), "overflow");
  expect_refused(one("\"F32\"", "[4611686018427387906]", "[0,8]"), "overflow");
}

TEST_CASE("records that do not tile the data section are refused") {
  const auto two = [](const std::string& a, const std::string& b) {
    return image('{' + entry("a", "\"U8\"", "[4]", a) + ',' + entry("b", "\"U8\"", "[4]", b) + '}',
                 "01234567");
  };
  const TempFolder folder;
  CHECK(SafetensorsFile(folder.put("f", two("[0,4]", "[4,8]"))).records().size() == 2);
  expect_refused(two("[0,4]", "[3,7]"), "'b' overlaps");
  expect_refused(two("[0,4]", "[0,4]"), "overlaps");
  expect_refused(two("[4,8]", "[5,9]"), "gap");
  expect_refused(two("[0,4]", "[5,9]"), "'b' ends at byte 9");
  expect_refused(image('{' + entry("a", "\"U8\"", "[4]", "[0,4]") + '}', "01234567"), "4 of 8");
  expect_refused(image('{' + entry("a", "\"U8\"", "[4]", "[1,5]") + '}', "01234"), "gap");
  expect_refused(image("{}", "0"), "0 of 1");
}
