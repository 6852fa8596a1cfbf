// WAV files made byte by byte, also wrong ones.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

/// Least significant byte first.
inline std::string number_bytes(uint64_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> 8 * i & 255);
  return bytes;
}

inline std::string float_bytes(float value) {
  return number_bytes(std::bit_cast<uint32_t>(value), 4);
}

inline std::string double_bytes(double value) {
  return number_bytes(std::bit_cast<uint64_t>(value), 8);
}

/// With its padding.
inline std::string chunk_bytes(const std::string& name, const std::string& inside) {
  return name + number_bytes(inside.size(), 4) + inside + (inside.size() % 2 ? "\x01" : "");
}

struct WavFormat {
  unsigned tag = 1, channels = 1, rate = 8000, bits = 16, frame_bytes = 2;
};

inline std::string format_16(const WavFormat& format) {
  return number_bytes(format.tag, 2) + number_bytes(format.channels, 2) +
         number_bytes(format.rate, 4) +
         number_bytes(uint64_t{format.rate} * format.frame_bytes, 4) +
         number_bytes(format.frame_bytes, 2) + number_bytes(format.bits, 2);
}

inline std::string format_18(const WavFormat& format) {
  return format_16(format) + number_bytes(0, 2);
}

/// `format.bits` are those of the container.
inline std::string format_40(WavFormat format, unsigned valid_bits) {
  const unsigned tag = format.tag;
  format.tag = 0xFFFE;
  return format_16(format) + number_bytes(22, 2) + number_bytes(valid_bits, 2) +
         number_bytes(4, 4) + number_bytes(tag, 2) +
         std::string("\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71", 14);
}

inline std::string riff_bytes(const std::string& chunks) {
  return "RIFF" + number_bytes(4 + chunks.size(), 4) + "WAVE" + chunks;
}

inline std::string wav_bytes(const std::string& format, const std::string& data) {
  return riff_bytes(chunk_bytes("fmt ", format) + chunk_bytes("data", data));
}
