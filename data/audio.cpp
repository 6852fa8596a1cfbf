// Format "audio": sound files, mixed to mono and brought to one rate, each sample one symbol
// (8-bit mu-law) or two (linear 16 bits, the more significant byte first). Each file is a record.
#include <atomic>

#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/data/records.h"
#include "lacuna/io/sample_code.h"
#include "lacuna/io/sound.h"

namespace lacuna {
namespace {

struct Target {
  int64_t rate;  // Hz
  SoundCode code;

  explicit Target(const FormatValues& values)
      : rate(values.whole("rate")),
        code(values.text("code") == "16-bit" ? SoundCode::k16Bits : SoundCode::kMuLaw) {}

  bool in_16_bits() const { return code == SoundCode::k16Bits; }
  std::vector<uint8_t> encode(std::span<const float> samples) const {
    return in_16_bits() ? encode_16_bits(samples) : encode_mu_law(samples);
  }
};

// Says what is odd about files that can be used; of a folder full of them, about the first ones.
class Remarks {
 public:
  void say(const SoundReader& reader) {
    constexpr int kMost = 20;
    std::vector<std::string> all = reader.notes();
    if (const int64_t count = reader.clipped(); count > 0) {
      all.push_back(str(grouped(count), " of its ", grouped(reader.frames()),
                        count == 1 ? " samples is" : " samples are",
                        " beyond full scale and clipped to it"));
    }
    if (all.empty()) return;
    const int before = said_++;
    if (before < kMost) log_warning(str(printable(reader.name()), ": ", join(all, "; ")));
    if (before == kMost) log_warning("further sound files have such faults, too");
  }

 private:
  std::atomic<int> said_ = 0;
};

void convert(const std::string& path, const Target& target, Remarks& remarks, RecordSink& sink) {
  SoundReader reader(path);
  stream_sound(reader, target.rate,
               [&](std::span<const float> samples) { sink.add(target.encode(samples)); });
  sink.end_record();
  remarks.say(reader);
}

int64_t symbols_of(const std::string& path, const Target& target) {
  try {
    const SoundReader reader(path);
    return resampled_count(reader.frames(), reader.rate(), target.rate) *
           (target.in_16_bits() ? 2 : 1);
  } catch (const Error&) {  // which comes again when it is converted
    return 0;
  }
}

std::unique_ptr<Medium> medium(const FormatValues& values) {
  const Target target(values);
  return sound_medium(target.rate, target.code);
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const Target target(config.values);
  const auto remarks = std::make_shared<Remarks>();
  return open_records(
      config, medium(config.values),
      {.noun = str(target.in_16_bits() ? "bytes of 16-bit samples at " : "mu-law samples at ",
                   grouped(target.rate), " Hz"),
       .cut = Cut::kFiles,
       .apart = true,
       .suffixes = ".wav .WAV .flac .FLAC .ogg .OGG .oga .OGA",
       .converter = {.convert = [=](const std::string& path,
                                    RecordSink& sink) { convert(path, target, *remarks, sink); },
                     .symbols = [=](const std::string& path) { return symbols_of(path, target); },
                     .skip_bad = config.values.text("bad_files") == "skip"}});
}

}  // namespace

DatasetFormat audio_format() {
  return {.options = {{"rate", int64_t{12'000}, between(1'000, 384'000),
                       "samples a second that every file is brought to, in Hz"},
                      {"code", std::string("mu-law"), one_of("mu-law|16-bit"),
                       "symbols of a sample: one (8-bit mu-law) or two (linear 16 bits, the more "
                       "significant byte first)"},
                      {"bad_files", std::string("refuse"), one_of("refuse|skip"),
                       "what becomes of files that cannot be read as sound: an error, or they are "
                       "left out and counted",
                       false}},
          .medium = medium,
          .open = open};
}

}  // namespace lacuna
