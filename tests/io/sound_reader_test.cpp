// FLAC and OGG, made here by libsndfile, and files that are no sound.
#include <sndfile.h>

#include <cmath>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"
#include "lacuna/io/sound.h"

using namespace lacuna;

namespace {

constexpr int kFrames = 50'000;

std::vector<int16_t> melody(int channels) {
  std::vector<int16_t> values;
  unsigned noise = 1;
  for (int i = 0; i < kFrames; ++i) {
    for (int channel = 0; channel < channels; ++channel) {
      noise = noise * 1664525 + 1013904223;
      const double tone = std::sin(i * 0.05 * (channel + 1));
      values.push_back(static_cast<int16_t>(10'000 * tone + (noise >> 22)));
    }
  }
  return values;
}

std::string written(const TempFolder& folder, int format, int channels) {
  const std::string path = folder / "made";
  SF_INFO info{0, 24'000, channels, format, 0, 0};
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  REQUIRE(file != nullptr);
  const std::vector<int16_t> values = melody(channels);
  CHECK(sf_writef_short(file, values.data(), kFrames) == kFrames);
  sf_close(file);
  return read_text(path);
}

std::string flac(const TempFolder& folder, int channels = 1) {
  return written(folder, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, channels);
}

std::string ogg(const TempFolder& folder) {
  return written(folder, SF_FORMAT_OGG | SF_FORMAT_VORBIS, 1);
}

std::vector<float> whole_sound(const std::string& bytes) {
  SoundReader reader("sound", bytes);
  CHECK(reader.rate() == 24'000);
  CHECK(reader.frames() == kFrames);
  std::vector<float> samples(kFrames + 1);
  samples.resize(reader.read(samples));
  return samples;
}

void expect_sound_refused(const std::string& bytes, const std::string& fragment) {
  CAPTURE(fragment);
  const auto read = [&] { whole_sound(bytes); };
  expect_error(ErrorKind::kData, "sound", read);
  expect_error(ErrorKind::kData, fragment, read);
}

std::string without(std::string bytes, size_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
  return bytes;
}

// An ID3v2 tag of 130 bytes.
const std::string kTag = std::string("ID3\4\0\0\0\0\1\2", 10) + std::string(130, 'x');

}  // namespace

TEST_CASE("FLAC is read without loss, channels averaged", "[sound]") {
  const TempFolder folder;
  for (const int channels : {1, 2}) {
    const std::vector<int16_t> values = melody(channels);
    const std::vector<float> samples = whole_sound(flac(folder, channels));
    REQUIRE(samples.size() == kFrames);
    size_t wrong = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      const float mean =
          channels == 1 ? values[i] / 32768.0F : (values[2 * i] + values[2 * i + 1]) / 65536.0F;
      wrong += samples[i] != mean;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("FLAC that does not say its length is counted; a tag before it is passed over",
          "[sound]") {
  const TempFolder folder;
  const std::string bytes = flac(folder);
  const std::vector<float> samples = whole_sound(bytes);
  std::string streamed = bytes;  // the last 36 bits of 8 bytes from 18 on are the length
  streamed[21] = static_cast<char>(streamed[21] & 0xF0);
  streamed.replace(22, 4, 4, '\0');
  REQUIRE(streamed != bytes);
  CHECK(whole_sound(streamed) == samples);
  CHECK(whole_sound(kTag + bytes) == samples);
}

TEST_CASE("damaged and shortened FLAC is refused", "[sound]") {
  const TempFolder folder;
  const std::string bytes = flac(folder);
  expect_sound_refused(bytes.substr(0, bytes.size() / 2), "");
  expect_sound_refused(bytes.substr(0, bytes.size() - 10), "");
  expect_sound_refused(bytes.substr(0, 20), "cannot be read");
  expect_sound_refused(bytes.substr(0, 4), "cannot be read");
  for (const size_t part : {3, 5, 9})
    expect_sound_refused(without(bytes, bytes.size() * part / 10), "damaged");
}

TEST_CASE("OGG is read close to what was written", "[sound]") {
  const TempFolder folder;
  const std::vector<int16_t> values = melody(1);
  const std::vector<float> samples = whole_sound(ogg(folder));
  REQUIRE(samples.size() == kFrames);
  double power = 0, difference = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double value = values[i] / 32768.0;
    power += value * value;
    difference += std::pow(static_cast<double>(samples[i]) - value, 2);
  }
  CHECK(difference < 0.01 * power);
}

TEST_CASE("damaged and shortened OGG is refused with the byte", "[sound]") {
  const TempFolder folder;
  const std::string bytes = ogg(folder);
  const size_t last = bytes.rfind("OggS"), middle = bytes.rfind("OggS", last - 1);
  expect_sound_refused(bytes.substr(0, bytes.size() / 2), "no whole Ogg page begins");
  expect_sound_refused(bytes.substr(0, last), "the file ends before its stream does");
  expect_sound_refused(bytes.substr(0, last + 10), "no whole Ogg page begins");
  expect_sound_refused(bytes.substr(0, middle) + bytes.substr(last), "pages are missing");
  expect_sound_refused(without(bytes, bytes.size() / 2), "checksum of an Ogg page is wrong");
  expect_sound_refused(bytes + bytes, "a second stream begins");
  expect_sound_refused(bytes + "x", std::to_string(bytes.size()) + " no whole Ogg page");
}

TEST_CASE("what is no sound is named by its first bytes", "[sound]") {
  expect_sound_refused("", "the file is empty");
  expect_sound_refused("Once upon a time there was a sound.\n", "found text");
  expect_sound_refused(std::string("\0\1\2\3\4\5\6\7", 8), "found something else");
  expect_sound_refused("\xFF\xFB\x90\x64xxxxxxxx", "found an MP3 file");
  expect_sound_refused(kTag + "\xFF\xFB\x90\x64", "ffmpeg -i FILE OUT.flac");
  expect_sound_refused(std::string("FORM\0\0\0\0AIFF", 12), "found an AIFF file");
  expect_sound_refused(std::string("\0\0\0\x20", 4) + "ftypM4A ", "found an MP4 or M4A file");
  expect_sound_refused("RIFX....WAVEfmt ", "big-endian WAV");
  expect_sound_refused("RIFF\1\2\3\4AVI \5\6\7\x7F", "something else");
}

TEST_CASE("a sound file that is missing or a folder is named", "[sound]") {
  const TempFolder folder;
  expect_error(ErrorKind::kData, "none.wav", [&] { SoundReader{folder / "none.wav"}; });
  expect_error(ErrorKind::kData, "found a folder", [&] { SoundReader{folder.path()}; });
}
