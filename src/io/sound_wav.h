// The chunks of a WAV file, as far as its samples need them.
#pragma once

#include <string>
#include <vector>

#include "sound_bytes.h"

namespace lacuna {

enum class WavCoding : uint8_t {
  kUnsigned8,
  kPcm16,
  kPcm24,
  kPcm32,
  kFloat32,
  kFloat64,
  kALaw,
  kMuLaw
};

struct WavLayout {
  WavCoding coding{};
  int64_t channels = 0, rate = 0;
  size_t frame_bytes = 0;
  size_t begin = 0, end = 0;  // of the data, whole frames
  std::vector<std::string> notes;
};

/// Of a file that begins with RIFF or RF64. Throws Error(kData) at `place`.
WavLayout read_wav_layout(const std::string& place, const SoundBytes& bytes);

}  // namespace lacuna
