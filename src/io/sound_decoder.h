// libsndfile behind the bytes of a file: it decodes, and finds nothing by itself but FLAC and OGG.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sound_bytes.h"
#include "sound_wav.h"

namespace lacuna {

class SoundDecoder {
 public:
  /// Bytes [begin, end) are a FLAC or OGG file, or, with a layout, the bare samples of a WAV file.
  /// `bytes` outlives this object. Throws Error(kData) at `place`.
  SoundDecoder(std::string place, const SoundBytes& bytes, size_t begin, size_t end,
               const WavLayout* layout);
  ~SoundDecoder();

  int64_t channels() const;
  int64_t rate() const;
  /// As the file says; none when it does not.
  std::optional<int64_t> frames() const;

  /// Up to `count` frames, channels next to each other, as doubles of full scale 1; less only at
  /// the end. Throws Error(kData) where the file is damaged and Error(kIo) where it cannot be read.
  int64_t read(double* out, int64_t count);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lacuna
