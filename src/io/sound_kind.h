// What a file is by its first bytes, whatever its name says.
#pragma once

#include <string>

#include "sound_bytes.h"

namespace lacuna {

enum class SoundKind : uint8_t { kWav, kFlac, kOgg };

struct SoundStart {
  SoundKind kind;
  size_t begin;  // where its own bytes begin: behind an ID3 tag
};

/// Throws Error(kData) at `place` for everything else, named where it is known.
SoundStart find_sound(const std::string& place, const SoundBytes& bytes);

}  // namespace lacuna
