#include "sound_kind.h"

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

constexpr size_t kKindHead = 16;
constexpr size_t kLooked = 4096;  // for what a file that is no sound may be

struct Foreign {
  size_t at;
  std::string_view bytes;
  const char* name;
};

constexpr Foreign kForeign[] = {{0, "FORM", "an AIFF file"},
                                {4, "ftyp", "an MP4 or M4A file"},
                                {0, "RIFX", "a big-endian WAV file"},
                                {0, "riff", "a W64 file"},
                                {0, "caff", "a CAF file"},
                                {0, "\x1A\x45\xDF\xA3", "a WebM or Matroska file"},
                                {0, ".snd", "an AU file"},
                                {0, "wvpk", "a WavPack file"}};

bool has(const std::string& head, size_t at, std::string_view bytes) {
  return head.size() >= at && std::string_view(head).substr(at, bytes.size()) == bytes;
}

/// Of ID3v2: its ten bytes hold the size of the rest in 7 bits a byte; 0 where there is none.
size_t tag_size(const std::string& head) {
  if (!has(head, 0, "ID3") || head.size() < 10) return 0;
  size_t size = 0;
  for (size_t i = 6; i < 10; ++i) size = size << 7 | (static_cast<unsigned char>(head[i]) & 127);
  return size + 10;
}

/// A frame of MPEG audio, layer III, begins with eleven ones, its version and layer, 01.
bool is_mp3_frame(const std::string& head) {
  return head.size() >= 2 && head[0] == '\xFF' &&
         (static_cast<unsigned char>(head[1]) & 0xE6) == 0xE2;
}

std::string name_of(const std::string& head, bool tagged) {
  if (tagged || is_mp3_frame(head)) return "an MP3 file";
  for (const Foreign& foreign : kForeign) {
    if (has(head, foreign.at, foreign.bytes)) return foreign.name;
  }
  return "";
}

}  // namespace

SoundStart find_sound(const std::string& place, const SoundBytes& bytes) {
  constexpr const char* kExpected = "expected a WAV, FLAC or OGG file, found ";
  if (bytes.size() == 0) throw Error(ErrorKind::kData, place, "the file is empty");
  std::string head = bytes.read(0, kKindHead);
  const size_t begin = tag_size(head);
  if (begin > 0) head = bytes.read(begin, kKindHead);
  if (has(head, 0, "fLaC")) return {SoundKind::kFlac, begin};
  if (begin == 0 && has(head, 0, "OggS")) return {SoundKind::kOgg, 0};
  const bool is_riff = has(head, 0, "RIFF") || has(head, 0, "RF64");
  if (begin == 0 && is_riff && (head.size() < 12 || has(head, 8, "WAVE")))
    return {SoundKind::kWav, 0};
  if (const std::string name = name_of(head, begin > 0); !name.empty()) {
    throw Error(ErrorKind::kData, place, kExpected + name,
                "Convert it, for example with: ffmpeg -i FILE OUT.flac");
  }
  const bool text = is_text(bytes.read(0, kLooked));
  throw Error(ErrorKind::kData, place,
              kExpected + std::string(text ? "text" : "something else by its first bytes"));
}

}  // namespace lacuna
