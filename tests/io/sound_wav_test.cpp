// Every kind of WAV file that is read, and every fault that is named; the bytes are written here.
#include <cmath>
#include <filesystem>
#include <limits>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/io/sound.h"
#include "wav_bytes.h"

using namespace lacuna;

namespace {

std::vector<float> all_of(SoundReader& reader) {
  std::vector<float> samples(static_cast<size_t>(reader.frames()) + 1);
  samples.resize(reader.read(samples));
  return samples;
}

std::vector<float> samples_of(const std::string& bytes) {
  SoundReader reader("sound", bytes);
  CHECK(reader.notes().empty());
  std::vector<float> samples = all_of(reader);
  CHECK(static_cast<int64_t>(samples.size()) == reader.frames());
  return samples;
}

void expect_wav_refused(const std::string& bytes, const std::string& fragment) {
  const auto read = [&] {
    SoundReader reader("sound", bytes);
    all_of(reader);
  };
  expect_error(ErrorKind::kData, "sound", read);
  expect_error(ErrorKind::kData, fragment, read);
}

const std::string kTwo = number_bytes(0x4000, 2) + number_bytes(0xC000, 2);  // 16-bit 0.5, -0.5
const std::vector<float> kTwoSamples{0.5F, -0.5F};
const std::string kPlain = chunk_bytes("fmt ", format_16({}));

std::string data_head(uint64_t size) {
  return "data" + number_bytes(size, 4);
}

}  // namespace

TEST_CASE("WAV: PCM of each width has full scale 1", "[sound]") {
  const auto pcm = [](unsigned bits, const std::string& data) {
    return samples_of(wav_bytes(format_16({1, 1, 8000, bits, (bits + 7) / 8}), data));
  };
  CHECK(pcm(8, std::string("\x80\xFF\0\x40", 4)) == std::vector<float>{0, 127 / 128.0F, -1, -0.5F});
  CHECK(pcm(16, number_bytes(0, 2) + number_bytes(0x7FFF, 2) + number_bytes(0x8000, 2)) ==
        std::vector<float>{0, 32767 / 32768.0F, -1});
  CHECK(pcm(24, number_bytes(1, 3) + number_bytes(0x800000, 3) + number_bytes(0xFFFFFF, 3)) ==
        std::vector<float>{0x1p-23F, -1, -0x1p-23F});
  CHECK(pcm(32, number_bytes(0x100, 4) + number_bytes(0x80000000, 4)) ==
        std::vector<float>{0x1p-23F, -1});
  CHECK(pcm(12, kTwo) == kTwoSamples);  // the upper bits of two bytes
}

TEST_CASE("WAV: floats of 32 and 64 bits, A-law and mu-law", "[sound]") {
  CHECK(samples_of(wav_bytes(format_18({3, 1, 8000, 32, 4}),
                             float_bytes(0.1F) + float_bytes(-1))) == std::vector<float>{0.1F, -1});
  CHECK(samples_of(wav_bytes(format_18({3, 1, 8000, 64, 8}), double_bytes(0.1))) ==
        std::vector<float>{0.1F});
  // G.711: 0xFF is silence and 0x00 the lowest, -32124 of 32768; in A-law 0xD5 is 8 of 32768.
  CHECK(samples_of(wav_bytes(format_18({7, 1, 8000, 8, 1}), std::string("\xFF\0", 2))) ==
        std::vector<float>{0, -32124 / 32768.0F});
  CHECK(samples_of(wav_bytes(format_18({6, 1, 8000, 8, 1}), "\xD5")) ==
        std::vector<float>{8 / 32768.0F});
}

TEST_CASE("WAV: format chunks of 16, 18 and 40 bytes", "[sound]") {
  CHECK(samples_of(wav_bytes(format_16({}), kTwo)) == kTwoSamples);
  CHECK(samples_of(wav_bytes(format_18({}), kTwo)) == kTwoSamples);
  CHECK(samples_of(wav_bytes(format_40({}, 16), kTwo)) == kTwoSamples);
  CHECK(samples_of(wav_bytes(format_40({3, 1, 8000, 32, 4}, 32), float_bytes(0.25F))) ==
        std::vector<float>{0.25F});
  // 24 valid bits in 32: the upper ones.
  const std::string wide = number_bytes(0x40000000, 4) + number_bytes(0xFFFFFF00, 4);
  CHECK(samples_of(wav_bytes(format_40({1, 1, 8000, 32, 4}, 24), wide)) ==
        std::vector<float>{0.5F, -0x1p-23F});
  CHECK(samples_of(wav_bytes(format_16({1, 1, 8000, 24, 4}), wide)) ==
        std::vector<float>{0.5F, -0x1p-23F});
}

TEST_CASE("WAV: channels are averaged in double", "[sound]") {
  const std::string bytes =
      wav_bytes(format_16({3, 3, 8000, 32, 12}), float_bytes(1) + float_bytes(0x1p-24F) +
                                                     float_bytes(-0.25F) + float_bytes(0.5F) +
                                                     float_bytes(0.5F) + float_bytes(0.5F));
  SoundReader reader("sound", bytes);
  CHECK(reader.channels() == 3);
  CHECK(reader.rate() == 8000);
  CHECK(all_of(reader) == std::vector<float>{static_cast<float>((0.75 + 0x1p-24) / 3), 0.5F});
}

TEST_CASE("WAV: other chunks are passed over, padding included", "[sound]") {
  const std::string odd = chunk_bytes("LIST", "odd");
  CHECK(samples_of(riff_bytes(odd + kPlain + odd + chunk_bytes("data", kTwo) + odd)) ==
        kTwoSamples);
  const std::string bytes = wav_bytes(format_16({1, 1, 8000, 8, 1}), "\x80\x40\xC0");
  CHECK(samples_of(bytes + odd) == std::vector<float>{0, -0.5F, 0.5F});
}

TEST_CASE("WAV: a size that was never written is the rest of the file, with a note", "[sound]") {
  for (const uint64_t size :
       {0x0U, 0xFFFFFFFFU, 0xFFFFFFDBU, 0x7FFFFFFFU, 0x7FFFF000U, 0x80000000U}) {
    CAPTURE(size);
    const std::string bytes = riff_bytes(kPlain + data_head(size) + kTwo);
    SoundReader reader("sound", bytes);
    REQUIRE(reader.notes().size() == 1);
    CHECK(reader.notes()[0].find("never written") != std::string::npos);
    CHECK(all_of(reader) == kTwoSamples);
  }
  // Half a sample, which a killed recorder may leave.
  const std::string bytes = riff_bytes(kPlain + data_head(0) + kTwo + "x");
  SoundReader reader("sound", bytes);
  REQUIRE(reader.notes().size() == 2);
  CHECK(reader.notes()[1].find("last 1 bytes") != std::string::npos);
  CHECK(all_of(reader) == kTwoSamples);
}

TEST_CASE("WAV: a size of 0 before other chunks, or at the end, is an empty sound", "[sound]") {
  expect_wav_refused(riff_bytes(kPlain + data_head(0) + chunk_bytes("LIST", "text")), "no samples");
  expect_wav_refused(riff_bytes(kPlain + data_head(0)), "no samples");
}

TEST_CASE("WAV: RF64 has the size of its data in a chunk of its own", "[sound]") {
  const auto file = [](uint64_t size) {
    return "RF64" + number_bytes(0xFFFFFFFF, 4) + "WAVE" +
           chunk_bytes("ds64", number_bytes(0, 8) + number_bytes(size, 8) + number_bytes(0, 12)) +
           kPlain + data_head(0xFFFFFFFF) + kTwo + chunk_bytes("LIST", "text");
  };
  CHECK(samples_of(file(4)) == kTwoSamples);
  expect_wav_refused(file(uint64_t{1} << 40), "1099511627776 bytes, but only 16 follow");
}

TEST_CASE("WAV: what is cut short is refused with the place", "[sound]") {
  expect_wav_refused(riff_bytes(kPlain + data_head(1000) + kTwo),
                     "its data at byte 44 are said to have 1000 bytes, but only 4 follow");
  expect_wav_refused(riff_bytes(kPlain + "LIST" + number_bytes(0xFFFFFFFF, 4) + "xy"),
                     "chunk 'LIST' at byte 36 is said to have 4294967295 bytes, but only 2 follow");
  expect_wav_refused(riff_bytes(kPlain), "it has no data chunk");
  expect_wav_refused(riff_bytes(""), "it has no data chunk");
  expect_wav_refused("RIFF\x04", "it has no data chunk");
  std::string many;
  for (int i = 0; i < 1001; ++i) many += chunk_bytes("JUNK", "");
  expect_wav_refused(riff_bytes(many + kPlain + chunk_bytes("data", kTwo)), "first 1000 chunks");
}

TEST_CASE("WAV: a header that cannot be is refused", "[sound]") {
  expect_wav_refused(riff_bytes(chunk_bytes("data", kTwo) + kPlain),
                     "come before any format chunk");
  expect_wav_refused(wav_bytes(format_16({}).substr(0, 14), kTwo), "format chunk has 14 bytes");
  expect_wav_refused(wav_bytes(format_40({}, 16).substr(0, 18), kTwo), "format chunk has 18 bytes");
  expect_wav_refused(wav_bytes(format_16({1, 0, 8000, 16, 2}), kTwo), "0 channels");
  expect_wav_refused(wav_bytes(format_16({1, 3000, 8000, 16, 6000}), kTwo), "3000 channels");
  expect_wav_refused(wav_bytes(format_16({1, 1, 8000, 16, 0}), kTwo), "16 bits a sample");
  expect_wav_refused(wav_bytes(format_16({1, 2, 8000, 16, 3}), kTwo), "16 bits a sample");
  expect_wav_refused(wav_bytes(format_16({1, 1, 8000, 0, 2}), kTwo), "0 bits a sample");
  expect_wav_refused(wav_bytes(format_16({1, 1, 8000, 64, 8}), kTwo), "64 bits a sample");
  expect_wav_refused(wav_bytes(format_16({3, 1, 8000, 16, 2}), kTwo), "32-bit and 64-bit floats");
  expect_wav_refused(wav_bytes(format_16({0x11, 1, 8000, 4, 256}), kTwo), "IMA ADPCM");
  expect_wav_refused(wav_bytes(format_16({0x1234, 1, 8000, 4, 256}), kTwo), "format tag 0x1234");
  std::string other = format_40({}, 16);
  other.back() = 'x';
  expect_wav_refused(wav_bytes(other, kTwo), "extensible format is none of");
}

TEST_CASE("WAV: rates that nobody records with are refused before anything is resampled",
          "[sound]") {
  expect_wav_refused(wav_bytes(format_16({1, 1, 0, 16, 2}), kTwo),
                     "its rate is 0 Hz, expected 1000");
  expect_wav_refused(wav_bytes(format_16({1, 1, 1, 8, 1}), std::string(720'000, '\x80')),
                     "its rate is 1 Hz, expected 1000");
  expect_wav_refused(wav_bytes(format_16({1, 1, 0xFFFFFFFF, 16, 2}), kTwo),
                     "its rate is 4294967295 Hz");
}

TEST_CASE("WAV: infinities and NaN are refused by sample and channel", "[sound]") {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto file = [](float value) {
    std::string data;
    for (int i = 0; i < 100'000; ++i) data += float_bytes(i == 70'001 ? value : 0.5F);
    return wav_bytes(format_16({3, 2, 8000, 32, 8}), data);
  };
  expect_wav_refused(file(infinity), "sample 35000 of channel 1 (both from 0) is infinite");
  expect_wav_refused(file(-infinity), "sample 35000 of channel 1 (both from 0) is infinite");
  expect_wav_refused(file(std::nanf("")),
                     "sample 35000 of channel 1 (both from 0) is not a number");
}

TEST_CASE("WAV: samples beyond full scale are clipped and counted, after mixing", "[sound]") {
  const std::string bytes = wav_bytes(format_16({3, 2, 8000, 64, 16}),
                                      double_bytes(1.5) + double_bytes(0) + double_bytes(1.5) +
                                          double_bytes(1) + double_bytes(-1e308) +
                                          double_bytes(-1e308) + double_bytes(1) + double_bytes(1));
  SoundReader reader("sound", bytes);
  CHECK(all_of(reader) == std::vector<float>{0.75F, 1, -1, 1});
  CHECK(reader.clipped() == 2);
}

TEST_CASE("a sound is read in pieces of any size", "[sound]") {
  std::string data;
  for (unsigned i = 0; i < 100'000; ++i) data += number_bytes(i * 7919 & 0xFFFF, 2);
  const TempFolder folder;
  const std::string path = folder.put("a.wav", wav_bytes(format_16({}), data));
  const Sound whole = read_sound(path);
  CHECK(whole.rate == 8000);
  REQUIRE(whole.samples.size() == 100'000);
  SoundReader reader(path);
  std::vector<float> pieces, piece(40'000);
  for (size_t size = 1, got = 1; got > 0; size = size * 3 % 39'989) {
    got = reader.read(std::span(piece).first(size));
    pieces.insert(pieces.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(got));
  }
  CHECK(pieces == whole.samples);
}

TEST_CASE("WAV: a size that was never written may be less than what is there", "[sound]") {
  const TempFolder folder;
  for (const uint64_t size : {0x7FFFF000U, 0xFFFFFFFFU}) {
    const std::string path = folder.put("long.wav", riff_bytes(kPlain + data_head(size)));
    std::filesystem::resize_file(path, 44 + 6'000'000'000);  // a hole, which takes no room
    SoundReader reader(path);
    CHECK(reader.frames() == 3'000'000'000);
    CHECK(reader.notes().size() == 1);
  }
  // Here it is true: the file ends there.
  const std::string path = folder.put("true.wav", riff_bytes(kPlain + data_head(0x7FFFF000)));
  std::filesystem::resize_file(path, 44 + 0x7FFFF000);
  SoundReader reader(path);
  CHECK(reader.frames() == 0x7FFFF000 / 2);
  CHECK(reader.notes().empty());
}

TEST_CASE("a WAV file that was encoded reads back", "[sound]") {
  const std::vector<float> samples{0, 1, -1, 0.5F, -0.5F, 3, -3, 0x1p-16F, -0x1p-16F};
  const std::string bytes = encode_wav(12'000, samples);
  CHECK(bytes == wav_bytes(format_16({1, 1, 12'000, 16, 2}), bytes.substr(44)));
  CHECK(bytes.size() == 44 + 18);
  const float one = 1 / 32768.0F, most = 1 - one;
  CHECK(samples_of(bytes) == std::vector<float>{0, most, -1, 0.5F, -0.5F, most, -1, one, 0});
}
