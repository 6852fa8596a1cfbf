#include "sound_wav.h"

#include <optional>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

constexpr int kMostChunks = 1000;  // before the data; real files have a handful
constexpr size_t kChunkHead = 8;   // name and size
constexpr size_t kPlainFormat = 16, kExtensibleFormat = 40;
constexpr int64_t kMostChannels = 1024;  // what libsndfile takes
constexpr uint32_t kPcm = 1, kFloat = 3, kALawTag = 6, kMuLawTag = 7, kExtensible = 0xFFFE;
// Of the GUID whose first two bytes are a plain tag.
constexpr std::string_view kGuidEnd("\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71", 14);
constexpr const char* kConvert =
    "Convert it, for example with: ffmpeg -i FILE -c:a pcm_s16le OUT.wav";

[[noreturn]] void refuse(const std::string& place, const std::string& fault,
                         const std::string& hint = "") {
  throw Error(ErrorKind::kData, place, fault, hint);
}

struct Chunk {
  std::string name;
  uint64_t size;
  size_t begin;  // of what it holds

  uint64_t next() const { return begin + size + (size & 1); }  // an odd one is padded
};

/// The chunk at `begin`, whatever it says of its size; none where the file ends.
std::optional<Chunk> chunk_at(const SoundBytes& bytes, uint64_t begin) {
  const std::string head = bytes.read(begin, kChunkHead);
  if (head.size() < kChunkHead) return std::nullopt;
  return Chunk{head.substr(0, 4), little_endian(head, 4, 4), begin + kChunkHead};
}

/// Whether nothing but whole chunks, or nothing at all, lies from `begin` to the end.
bool are_chunks(const SoundBytes& bytes, uint64_t begin) {
  const auto is_name = [](const std::string& name) {
    for (const char c : name) {
      if (c < ' ' || c > '~') return false;
    }
    return true;
  };
  for (int i = 0; i < kMostChunks; ++i) {
    if (begin == bytes.size()) return true;
    const auto chunk = chunk_at(bytes, begin);
    if (!chunk || !is_name(chunk->name)) return false;
    if (chunk->begin + chunk->size == bytes.size()) return true;  // the padding may be missing
    begin = chunk->next();
  }
  return false;
}

/// What writers leave that do not know the size and cannot come back to it.
bool is_unknown_size(uint64_t size) {
  constexpr uint64_t kSlack = 0x10000;  // some take a header off
  return size == 0 || (size >= 0x80000000 - kSlack && size <= 0x80000000) ||
         (size > 0xFFFFFFFF - kSlack && size <= 0xFFFFFFFF);
}

std::string tag_name(uint32_t tag) {
  switch (tag) {
    case 0x02:
      return "Microsoft ADPCM";
    case 0x11:
      return "IMA ADPCM";
    case 0x31:
      return "GSM 6.10";
    case 0x50:
    case 0x55:
      return "MPEG audio";
    default:
      constexpr char kDigits[] = "0123456789abcdef";
      std::string name = "format tag 0x";
      for (int shift = 12; shift >= 0; shift -= 4) name += kDigits[tag >> shift & 15];
      return name;
  }
}

std::optional<WavCoding> coding_of(uint32_t tag, size_t sample_bytes) {
  constexpr WavCoding kWhole[] = {WavCoding::kUnsigned8, WavCoding::kPcm16, WavCoding::kPcm24,
                                  WavCoding::kPcm32};
  if (tag == kPcm && sample_bytes >= 1 && sample_bytes <= 4) return kWhole[sample_bytes - 1];
  if (tag == kFloat && sample_bytes == 4) return WavCoding::kFloat32;
  if (tag == kFloat && sample_bytes == 8) return WavCoding::kFloat64;
  if (tag == kALawTag && sample_bytes == 1) return WavCoding::kALaw;
  if (tag == kMuLawTag && sample_bytes == 1) return WavCoding::kMuLaw;
  return std::nullopt;
}

/// The tag, which the extensible form keeps in a GUID.
uint32_t tag_of(const std::string& place, const std::string& format) {
  const auto tag = static_cast<uint32_t>(little_endian(format, 0, 2));
  if (tag != kExtensible) return tag;
  if (format.size() < kExtensibleFormat) {
    refuse(place, str("its extensible format chunk has ", format.size(), " bytes, expected ",
                      kExtensibleFormat));
  }
  if (format.substr(26, 14) != kGuidEnd) {
    refuse(place, "its extensible format is none of PCM, float, A-law and mu-law", kConvert);
  }
  return static_cast<uint32_t>(little_endian(format, 24, 2));
}

/// Of samples that fill their bytes only in part, the upper bits count, so the whole bytes are
/// read.
void read_format(const std::string& place, const std::string& format, WavLayout& layout) {
  if (format.size() < kPlainFormat) {
    refuse(place, str("its format chunk has ", format.size(), " bytes, expected 16, 18 or 40"));
  }
  const uint32_t tag = tag_of(place, format);
  layout.channels = static_cast<int64_t>(little_endian(format, 2, 2));
  layout.rate = static_cast<int64_t>(little_endian(format, 4, 4));
  layout.frame_bytes = static_cast<size_t>(little_endian(format, 12, 2));
  const uint64_t bits = little_endian(format, 14, 2);
  if (layout.channels < 1 || layout.channels > kMostChannels) {
    refuse(place, str("it has ", layout.channels, " channels, expected 1 to ", kMostChannels));
  }
  if (tag != kPcm && tag != kFloat && tag != kALawTag && tag != kMuLawTag) {
    refuse(place, str("its samples are ", tag_name(tag), ", expected PCM, float, A-law or mu-law"),
           kConvert);
  }
  const auto channels = static_cast<size_t>(layout.channels);
  const size_t sample_bytes = layout.frame_bytes / channels;
  const auto coding = coding_of(tag, sample_bytes);
  if (!coding || layout.frame_bytes % channels != 0 || bits < 1 || bits > 8 * sample_bytes) {
    refuse(place,
           str("its format chunk says ", bits, " bits a sample, ", layout.channels,
               " channels and ", layout.frame_bytes, " bytes for them all, which ",
               tag == kFloat ? "32-bit and 64-bit floats do not have" : "no known coding has"));
  }
  layout.coding = *coding;
}

/// Sets begin and end from what the chunk and the file say.
void place_data(const std::string& place, const SoundBytes& bytes, const Chunk& data,
                WavLayout& layout) {
  const size_t rest = bytes.size() - data.begin;
  size_t size = static_cast<size_t>(data.size);
  // Such a size can be true, too: then other chunks or the end follow.
  if (is_unknown_size(data.size) &&
      (data.size > rest || !are_chunks(bytes, data.begin + data.size + (data.size & 1)))) {
    size = rest;
    layout.notes.push_back(
        "the size of its data was never written, so they are taken to the end of the file");
  } else if (data.size > rest) {
    refuse(place,
           str("its data at byte ", data.begin, " are said to have ", data.size,
               " bytes, but only ", rest, " follow"),
           kSoundCutShort);
  }
  if (const size_t over = size % layout.frame_bytes; over != 0) {
    layout.notes.push_back(str("its last ", over, " bytes are no whole sample and are left out"));
    size -= over;
  }
  layout.begin = data.begin;
  layout.end = data.begin + size;
}

}  // namespace

WavLayout read_wav_layout(const std::string& place, const SoundBytes& bytes) {
  WavLayout layout;
  std::optional<uint64_t> long_size;  // of the data, in RF64
  uint64_t begin = 12;
  for (int i = 0; i < kMostChunks; ++i) {
    auto chunk = chunk_at(bytes, begin);
    if (!chunk) refuse(place, "it ends before its samples: it has no data chunk", kSoundCutShort);
    if (chunk->name == "data") {
      if (layout.channels == 0) {
        refuse(place, str("its data at byte ", begin, " come before any format chunk"));
      }
      if (chunk->size == 0xFFFFFFFF && long_size) chunk->size = *long_size;
      place_data(place, bytes, *chunk, layout);
      return layout;
    }
    if (chunk->size > bytes.size() - chunk->begin) {
      refuse(place,
             str("its chunk '", printable(chunk->name), "' at byte ", begin, " is said to have ",
                 chunk->size, " bytes, but only ", bytes.size() - chunk->begin, " follow"),
             kSoundCutShort);
    }
    const std::string head = bytes.read(
        chunk->begin, std::min<size_t>(kExtensibleFormat, static_cast<size_t>(chunk->size)));
    if (chunk->name == "fmt ") read_format(place, head, layout);
    if (chunk->name == "ds64" && head.size() >= 16) long_size = little_endian(head, 8, 8);
    begin = chunk->next();
  }
  refuse(place, str("no data chunk is among its first ", kMostChunks, " chunks"));
}

}  // namespace lacuna
