// A sound file gives as many samples as it says, all of them finite and within full scale.
#include "lacuna/io/sound.h"

#include <array>

#include "targets.h"

void lacuna::fuzz::sound(std::string_view bytes) {
  answer([&] {
    SoundReader reader("fuzzed", bytes);
    promise(reader.frames() > 0 && reader.channels() > 0);
    promise(reader.rate() >= SoundReader::kLowestRate &&
            reader.rate() <= SoundReader::kHighestRate);
    constexpr int64_t kMost = 1 << 18;  // a few bytes of FLAC can stand for hours
    std::array<float, 1000> samples{};
    int64_t read = 0;
    while (const size_t got = read < kMost ? reader.read(samples) : 0) {
      for (size_t i = 0; i < got; ++i) promise(samples[i] >= -1 && samples[i] <= 1);
      read += static_cast<int64_t>(got);
    }
    promise(read >= kMost || read == reader.frames());
    promise(reader.clipped() <= read);
  });
}
