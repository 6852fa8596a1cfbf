// Sound: samples as bytes, shown as WAV.
#include "lacuna/io/sound.h"

#include "lacuna/data/medium.h"
#include "lacuna/io/sample_code.h"

namespace lacuna {
namespace {

class SoundSamples final : public Medium {
 public:
  SoundSamples(int64_t rate, SoundCode code) : rate_(rate), code_(code) {}

  Unit unit() const override { return {"sample", bytes()}; }
  WindowGrid grid() const override { return {.alignment = bytes(), .shifted = true}; }
  int64_t rate() const override { return rate_; }

  std::string printed(int32_t, bool) const override { return ""; }
  std::string suffix() const override { return ".wav"; }
  std::string file(std::span<const int32_t> symbols) const override {
    const std::vector<uint8_t> codes(symbols.begin(), symbols.end());
    return encode_wav(rate_,
                      code_ == SoundCode::kMuLaw ? decode_mu_law(codes) : decode_16_bits(codes));
  }
  std::vector<int32_t> symbols_of(const std::string& path) const override {
    const std::vector<float> samples = read_sound(path, rate_).samples;
    const std::vector<uint8_t> codes =
        code_ == SoundCode::kMuLaw ? encode_mu_law(samples) : encode_16_bits(samples);
    return {codes.begin(), codes.end()};
  }

 private:
  int64_t bytes() const { return code_ == SoundCode::k16Bits ? 2 : 1; }

  int64_t rate_;
  SoundCode code_;
};

}  // namespace

std::unique_ptr<Medium> sound_medium(int64_t rate, SoundCode code) {
  return std::make_unique<SoundSamples>(rate, code);
}

}  // namespace lacuna
