#include <cmath>
#include <nlohmann/json.hpp>

#include "../../src/cli/sample/output.h"
#include "../../src/cli/sample/request.h"
#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"
#include "lacuna/io/sample_code.h"
#include "lacuna/io/sound.h"

using namespace lacuna;
using namespace lacuna::cli;

namespace {

constexpr int64_t kRate = 8'000, kContext = 1'000;

/// What the command line table fills in, and the words that are given.
Parsed parsed_with(const std::map<std::string, std::string>& given) {
  Parsed parsed;
  for (const Command& command : commands()) {
    if (command.name != "sample") continue;
    for (const Argument& flag : command.flags) parsed.words[flag.name.substr(2)] = flag.initial;
  }
  for (const auto& [name, word] : given) parsed.words.at(name) = word;
  return parsed;
}

SampleRequest request_of(const std::map<std::string, std::string>& given, const Medium& medium) {
  const Parsed parsed = parsed_with(given);
  return sample_request(parsed, sample_config(parsed), medium, kContext);
}

std::vector<float> tone(int64_t samples) {
  std::vector<float> wave;
  for (int64_t i = 0; i < samples; ++i) {
    wave.push_back(static_cast<float>(0.5 * std::sin(0.1 * static_cast<double>(i))));
  }
  return wave;
}

}  // namespace

TEST_CASE("sound is drawn for a whole context or as many seconds or symbols as are asked for") {
  for (const auto code : {SoundCode::kMuLaw, SoundCode::k16Bits}) {
    const auto medium = sound_medium(kRate, code);
    const int64_t unit = medium->unit().symbols;
    CHECK(request_of({}, *medium).config.length == kContext);
    CHECK(request_of({}, *medium).config.alignment == unit);
    CHECK(request_of({{"length", "6000"}}, *medium).config.length == 6000);
    CHECK(request_of({{"seconds", "1.5"}}, *medium).config.length == 12'000 * unit);
    CHECK(request_of({{"seconds", "0.0001"}}, *medium).config.length == unit);  // 0.8 samples
    for (const char* seconds : {"0", "0.00006", "1e9", "inf"}) {
      expect_error(ErrorKind::kUsage, "--seconds", [&] {
        request_of({{"seconds", seconds}}, *medium);
      });
    }
    expect_error(ErrorKind::kUsage, "contradicts --seconds", [&] {
      request_of({{"seconds", "1"}, {"length", "10"}}, *medium);
    });
    expect_error(ErrorKind::kUsage, "--complete", [&] { request_of({{"prompt", "a"}}, *medium); });
  }
  expect_error(ErrorKind::kUsage, "2 symbols", [] {
    request_of({{"length", "7"}}, *sound_medium(kRate, SoundCode::k16Bits));
  });
}

TEST_CASE("the beginning of a sound is kept sample by sample") {
  const TempFolder folder;
  const std::string path = folder.put("tone.wav", encode_wav(kRate, tone(4'000)));
  const std::string brief = folder.put("brief.wav", encode_wav(kRate, tone(100)));
  for (const auto code : {SoundCode::kMuLaw, SoundCode::k16Bits}) {
    const auto medium = sound_medium(kRate, code);
    const int64_t unit = medium->unit().symbols;
    const std::vector<int32_t> all = medium->symbols_of(path);
    REQUIRE(std::ssize(all) == 4'000 * unit);
    const auto beginning = [&](int64_t symbols) {
      return std::vector<int32_t>(all.begin(), all.begin() + symbols);
    };
    const SampleRequest half = request_of({{"complete", path}}, *medium);
    CHECK(half.prompt == beginning(kContext / 2));
    CHECK(half.config.length == kContext / 2);
    CHECK(request_of({{"complete", brief}}, *medium).prompt == beginning(100 * unit));
    CHECK(request_of({{"complete", brief}}, *medium).config.length == kContext - 100 * unit);
    const SampleRequest longer =
        request_of({{"complete", path}, {"keep", "0.25"}, {"seconds", "2"}}, *medium);
    CHECK(longer.prompt == beginning(2'000 * unit));
    CHECK(longer.config.length == 16'000 * unit);
    CHECK(request_of({{"complete", path}, {"keep", "0.5"}}, *medium).config.length ==
          (4'000 * unit < kContext ? kContext - 4'000 * unit : kContext));
    expect_error(ErrorKind::kUsage, "has only 0.5 seconds, not 0.51", [&] {
      request_of({{"complete", path}, {"keep", "0.51"}}, *medium);
    });
  }
}

TEST_CASE("a sound is written as a file of its own") {
  const TempFolder folder;
  const auto medium = sound_medium(kRate, SoundCode::k16Bits);
  const std::string wav = folder / "a.wav";
  CHECK(kind_of_output(wav, *medium, 1) == OutputKind::kFile);
  CHECK(kind_of_output(folder / "sounds/", *medium, 9) == OutputKind::kFolder);
  expect_error(ErrorKind::kUsage, "cannot hold 2 samples",
               [&] { kind_of_output(wav, *medium, 2); });
  expect_error(ErrorKind::kUsage, "cannot be written as .npz",
               [&] { kind_of_output(folder / "a.npz", *medium, 2); });

  const std::vector<uint8_t> codes = encode_16_bits(tone(300));
  const std::vector<int32_t> symbols(codes.begin(), codes.end());
  const train::SampleConfig config{.length = 600, .first = 4};
  const nlohmann::json settings{{"seed", 1}, {"weights", "some"}};
  const auto write = [&](const std::string& path, OutputKind kind) {
    const auto output = open_output(kind, {path, false, *medium, config, settings});
    REQUIRE(output->missing().size() == 1);
    CHECK(output->missing().front().first == 5);
    output->add(5, {symbols});
    output->finish();
    return read_text(kind == OutputKind::kFile ? path : path + "000005.wav");
  };
  CHECK(write(wav, OutputKind::kFile) == encode_wav(kRate, decode_16_bits(codes)));
  CHECK(write(folder / "sounds/", OutputKind::kFolder) == read_text(wav));
  CHECK(open_output(OutputKind::kFolder, {folder / "sounds/", false, *medium, config, settings})
            ->missing()
            .empty());
}
