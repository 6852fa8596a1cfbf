#include "lacuna/io/event_file.h"

#include <array>
#include <bit>

namespace lacuna {
namespace {

constexpr std::array<uint32_t, 256> kRemainders = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0x82F63B78U : 0);
    table[byte] = rest;
  }
  return table;
}();

template <class Whole>
std::string as_little_endian(Whole value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
  return bytes;
}

// TFRecord masks its checksums, because a checksum of bytes that contain their checksum is weak.
std::string masked_checksum(std::string_view bytes) {
  const uint32_t sum = crc32c(bytes);
  return as_little_endian(std::rotr(sum, 15) + 0xA282EAD8U);
}

std::string framed(const std::string& payload) {
  const std::string length = as_little_endian(uint64_t{payload.size()});
  return length + masked_checksum(length) + payload + masked_checksum(payload);
}

// One protocol-buffer field: its number and wire type, then its value. Zeros need not be left out.

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value % 128 + 128);
  return bytes + static_cast<char>(value);
}

std::string whole_field(uint64_t number, int64_t value) {
  return varint(number * 8) + varint(static_cast<uint64_t>(value));
}

std::string double_field(uint64_t number, double value) {
  return varint(number * 8 + 1) + as_little_endian(std::bit_cast<uint64_t>(value));
}

std::string float_field(uint64_t number, float value) {
  return varint(number * 8 + 5) + as_little_endian(std::bit_cast<uint32_t>(value));
}

// Strings, bytes and nested messages.
std::string bytes_field(uint64_t number, std::string_view bytes) {
  return varint(number * 8 + 2) + varint(bytes.size()) + std::string(bytes);
}

// Field numbers below are those of event.proto, summary.proto and tensor.proto.

std::string event(int64_t step, double time, const std::string& what) {
  return framed(double_field(1, time) + whole_field(2, step) + what);
}

std::string summary_value(const std::string& tag, const std::string& what) {
  return bytes_field(1, bytes_field(1, tag) + what);
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t rest = ~0U;
  for (const char byte : bytes) {
    rest = (rest >> 8) ^ kRemainders[(rest ^ static_cast<unsigned char>(byte)) & 0xFF];
  }
  return ~rest;
}

EventFile::EventFile(const std::string& path, double time) : file_(path) {
  constexpr int64_t kStart = 1;
  file_.append(event(0, time, bytes_field(3, "brain.Event:2")));         // file_version
  file_.append(event(0, time, bytes_field(7, whole_field(1, kStart))));  // session_log.status
}

void EventFile::add_scalars(int64_t step, double time, const std::vector<Scalar>& scalars) {
  if (scalars.empty()) return;
  std::string values;
  for (const Scalar& scalar : scalars) {
    values += summary_value(scalar.tag, float_field(2, static_cast<float>(scalar.value)));
  }
  file_.append(event(step, time, bytes_field(5, values)));
}

void EventFile::add_text(int64_t step, double time, const std::string& tag,
                         const std::string& text) {
  constexpr int64_t kStringType = 7;
  const std::string tensor = whole_field(1, kStringType) + bytes_field(8, text);
  const std::string plugin = bytes_field(1, bytes_field(1, "text"));  // plugin_data.plugin_name
  const std::string value = summary_value(tag, bytes_field(8, tensor) + bytes_field(9, plugin));
  file_.append(event(step, time, bytes_field(5, value)));
}

}  // namespace lacuna
