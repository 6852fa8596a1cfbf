#include <cmath>
#include <numbers>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/io/sound.h"
#include "wav_bytes.h"

using namespace lacuna;

namespace {

std::vector<float> tone(double hertz, int64_t rate, int64_t count) {
  std::vector<float> samples;
  for (int64_t i = 0; i < count; ++i) {
    samples.push_back(
        static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) /
                                          static_cast<double>(rate))));
  }
  return samples;
}

std::vector<float> resampled(const std::vector<float>& samples, int64_t from, int64_t to,
                             size_t piece = 1 << 30) {
  Resampler resampler("sound", from, to);
  std::vector<float> out;
  for (size_t i = 0; i < samples.size(); i += piece) {
    resampler.add(std::span(samples).subspan(i, std::min(piece, samples.size() - i)), out);
  }
  resampler.finish(out);
  return out;
}

/// Relative to a sine of 0.5, without the ends, where the tone begins and stops.
double decibels(const std::vector<float>& samples) {
  double power = 0;
  const size_t edge = 1000;
  for (size_t i = edge; i < samples.size() - edge; ++i) power += std::pow(samples[i], 2);
  return 10 * std::log10(power / static_cast<double>(samples.size() - 2 * edge) / 0.125);
}

}  // namespace

TEST_CASE("from 24,000 to 12,000 Hz a low tone keeps its level and a high one vanishes",
          "[sound]") {
  CHECK(std::abs(decibels(resampled(tone(1000, 24'000, 48'000), 24'000, 12'000))) < 0.1);
  CHECK(decibels(resampled(tone(8000, 24'000, 48'000), 24'000, 12'000)) < -100);
}

TEST_CASE("resampled samples lie where they should, without a delay", "[sound]") {
  for (const auto& [from, to] : std::vector<std::pair<int64_t, int64_t>>{
           {24'000, 12'000}, {44'100, 12'000}, {8'000, 44'100}, {11'025, 48'000}}) {
    CAPTURE(from, to);
    const std::vector<float> samples = resampled(tone(700, from, from), from, to);
    const std::vector<float> expected = tone(700, to, to);
    REQUIRE(samples.size() == expected.size());
    float worst = 0;
    for (size_t i = 1000; i < samples.size() - 1000; ++i) {
      worst = std::max(worst, std::abs(samples[i] - expected[i]));
    }
    CHECK(worst < 1e-4F);
  }
}

TEST_CASE("the end is not cut: a sound of ones stays one up to its last half filter", "[sound]") {
  const std::vector<float> samples = resampled(std::vector<float>(10'000, 0.5F), 24'000, 12'000);
  REQUIRE(samples.size() == 5'000);
  CHECK(std::abs(samples[4'900] - 0.5F) < 0.01F);
  CHECK(samples[4'999] > 0.2F);
  CHECK(samples[0] > 0.2F);
}

TEST_CASE("the number of resampled samples is rounded up", "[sound]") {
  CHECK(resampled_count(0, 24'000, 12'000) == 0);
  CHECK(resampled_count(1, 24'000, 12'000) == 1);
  CHECK(resampled_count(2, 24'000, 12'000) == 1);
  CHECK(resampled_count(3, 24'000, 12'000) == 2);
  CHECK(resampled_count(int64_t{1} << 45, 44'100, 48'000) ==
        static_cast<int64_t>((static_cast<__int128>(1) << 45) * 48'000 / 44'100 + 1));
  for (const auto& [from, to] : std::vector<std::pair<int64_t, int64_t>>{
           {24'000, 12'000}, {44'100, 12'000}, {1'000, 16'000}, {192'000, 1'000}, {7, 7}}) {
    for (const int64_t count : {0, 1, 2, 3, 99, 4'410, 10'007}) {
      CAPTURE(from, to, count);
      const auto samples = std::vector<float>(static_cast<size_t>(count), 0.25F);
      const int64_t expected = (count * to + from - 1) / from;
      CHECK(resampled_count(count, from, to) == expected);
      CHECK(static_cast<int64_t>(resampled(samples, from, to).size()) == expected);
    }
  }
}

TEST_CASE("equal rates copy bit for bit", "[sound]") {
  const std::vector<float> samples = tone(700, 12'000, 5'000);
  CHECK(resampled(samples, 12'000, 12'000) == samples);
  CHECK(resampled(samples, 12'000, 12'000, 77) == samples);
}

TEST_CASE("how the stream is cut does not matter", "[sound]") {
  const std::vector<float> samples = tone(700, 44'100, 30'000);
  const std::vector<float> whole = resampled(samples, 44'100, 12'000);
  for (const size_t piece : {1, 10, 4'096, 29'999}) {
    CAPTURE(piece);
    CHECK(resampled(samples, 44'100, 12'000, piece) == whole);
  }
}

TEST_CASE("rates too far apart are refused with the file's name", "[sound]") {
  expect_error(ErrorKind::kData, "a.wav: its rate of 1000 Hz is too far",
               [] { Resampler("a.wav", 1'000, 16'001); });
  expect_error(ErrorKind::kData, "16-fold", [] { Resampler("a.wav", 257'000, 1'000); });
  CHECK_NOTHROW(Resampler("a.wav", 256'000, 1'000));
}

TEST_CASE("a file is streamed at the rate asked for", "[sound]") {
  std::string data;
  for (const float sample : tone(700, 24'000, 70'001)) data += float_bytes(sample);
  const TempFolder folder;
  const std::string path = folder.put("a.wav", wav_bytes(format_16({3, 1, 24'000, 32, 4}), data));
  const Sound sound = read_sound(path, 12'000);
  CHECK(sound.rate == 12'000);
  CHECK(sound.samples == resampled(tone(700, 24'000, 70'001), 24'000, 12'000));
  CHECK(sound.samples.size() == 35'001);
}
