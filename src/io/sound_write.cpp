#include "lacuna/base/error.h"
#include "lacuna/io/sample_code.h"
#include "lacuna/io/sound.h"

namespace lacuna {
namespace {

constexpr uint32_t kHeader = 44;

void append(std::string& bytes, uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> 8 * i & 255);
}

}  // namespace

std::string encode_wav(int64_t rate, std::span<const float> samples) {
  require(rate > 0 && rate <= INT32_MAX / 2, "encode_wav", "the rate does not fit");
  require(samples.size() <= (size_t{1} << 31) - 64, "encode_wav", "too many samples for one file");
  const auto size = static_cast<uint32_t>(2 * samples.size());
  const auto hertz = static_cast<uint32_t>(rate);
  std::string bytes;
  bytes.reserve(kHeader + size);
  bytes += "RIFF";
  append(bytes, kHeader - 8 + size, 4);
  bytes += "WAVEfmt ";
  append(bytes, 16, 4);
  append(bytes, 1, 2);          // PCM
  append(bytes, 1, 2);          // channel
  append(bytes, hertz, 4);      // samples a second
  append(bytes, 2 * hertz, 4);  // bytes a second
  append(bytes, 2, 2);          // bytes a sample
  append(bytes, 16, 2);         // bits a sample
  bytes += "data";
  append(bytes, size, 4);
  for (const float sample : samples) append(bytes, code_of_16_bits(sample) ^ 0x8000U, 2);
  return bytes;
}

}  // namespace lacuna
