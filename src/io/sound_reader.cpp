#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/io/sound.h"
#include "sound_decoder.h"
#include "sound_kind.h"
#include "sound_ogg.h"

namespace lacuna {
namespace {

constexpr int64_t kValuesAtOnce = 1 << 15;  // of all channels, which are 1,024 at most

}  // namespace

struct SoundReader::State {
  std::string name;
  SoundBytes bytes;
  std::optional<SoundDecoder> decoder{};
  int64_t frames = 0, channels = 0, rate = 0;
  int64_t done = 0, clipped = 0;
  std::vector<std::string> notes{};
  std::vector<double> values{};

  State(std::string called, SoundBytes from) : name(std::move(called)), bytes(std::move(from)) {
    open();
  }
  void open();
  void open_decoder(const SoundStart& start, const std::optional<WavLayout>& layout);
  void check_rate() const;
  void count_frames();
  float mixed(int64_t i);
  [[noreturn]] void refuse(const std::string& fault, const std::string& hint = "") const {
    throw Error(ErrorKind::kData, name, fault, hint);
  }
};

void SoundReader::State::open() {
  const SoundStart start = find_sound(name, bytes);
  std::optional<WavLayout> layout;
  if (start.kind == SoundKind::kWav) {
    layout = read_wav_layout(name, bytes);
    rate = layout->rate;
    check_rate();  // which the library may not take
    notes = layout->notes;
  } else if (start.kind == SoundKind::kOgg) {
    check_ogg_pages(name, bytes);
  }
  if (layout && layout->begin == layout->end) refuse("it holds no samples");
  open_decoder(start, layout);
  channels = decoder->channels();
  rate = decoder->rate();
  check_rate();
  if (const auto said = decoder->frames()) {
    frames = *said;
  } else {
    count_frames();
    open_decoder(start, layout);
  }
  if (frames == 0) refuse("it holds no samples");
}

void SoundReader::State::open_decoder(const SoundStart& start,
                                      const std::optional<WavLayout>& layout) {
  const size_t begin = layout ? layout->begin : start.begin;
  const size_t end = layout ? layout->end : bytes.size();
  decoder.emplace(name, bytes, begin, end, layout ? &*layout : nullptr);
}

void SoundReader::State::check_rate() const {
  if (rate >= kLowestRate && rate <= kHighestRate) return;
  refuse(str("its rate is ", rate, " Hz, expected ", kLowestRate, " to ", kHighestRate),
         "The header is probably wrong; set the true rate, for example with: sox -r RATE FILE OUT");
}

void SoundReader::State::count_frames() {
  values.resize(static_cast<size_t>(kValuesAtOnce));
  while (const int64_t got = decoder->read(values.data(), kValuesAtOnce / channels)) frames += got;
}

/// Frame i of the values, whose first is the frame done.
float SoundReader::State::mixed(int64_t i) {
  double sum = 0;
  for (int64_t channel = 0; channel < channels; ++channel) {
    const double value = values[static_cast<size_t>(i * channels + channel)];
    if (!std::isfinite(value)) {
      refuse(str("sample ", done + i, " of channel ", channel, " (both from 0) is ",
                 std::isnan(value) ? "not a number" : "infinite"));
    }
    sum += value;
  }
  const double mean = sum / static_cast<double>(channels);
  if (mean >= -1 && mean <= 1) return static_cast<float>(mean);
  ++clipped;
  return mean > 0 ? 1.0F : -1.0F;
}

SoundReader::SoundReader(const std::string& path)
    : state_(std::make_unique<State>(path, SoundBytes(FileReader(path)))) {}

SoundReader::SoundReader(std::string name, std::string_view bytes)
    : state_(std::make_unique<State>(std::move(name), SoundBytes(bytes))) {}

SoundReader::~SoundReader() = default;
SoundReader::SoundReader(SoundReader&&) noexcept = default;
SoundReader& SoundReader::operator=(SoundReader&&) noexcept = default;

const std::string& SoundReader::name() const {
  return state_->name;
}

int64_t SoundReader::frames() const {
  return state_->frames;
}

int64_t SoundReader::rate() const {
  return state_->rate;
}

int64_t SoundReader::channels() const {
  return state_->channels;
}

const std::vector<std::string>& SoundReader::notes() const {
  return state_->notes;
}

int64_t SoundReader::clipped() const {
  return state_->clipped;
}

size_t SoundReader::read(std::span<float> out) {
  State& state = *state_;
  state.values.resize(static_cast<size_t>(kValuesAtOnce));
  size_t filled = 0;
  while (filled < out.size() && state.done < state.frames) {
    const int64_t wanted =
        std::min({kValuesAtOnce / state.channels, static_cast<int64_t>(out.size() - filled),
                  state.frames - state.done});
    const int64_t got = state.decoder->read(state.values.data(), wanted);
    if (got <= 0) {
      state.refuse(str("it ends after ", state.done, " of ", state.frames, " samples"),
                   kSoundCutShort);
    }
    for (int64_t i = 0; i < got; ++i) out[filled++] = state.mixed(i);
    state.done += got;
  }
  return filled;
}

void stream_sound(SoundReader& reader, int64_t rate,
                  const std::function<void(std::span<const float>)>& use) {
  Resampler resampler(reader.name(), reader.rate(), rate);
  std::vector<float> read(static_cast<size_t>(kValuesAtOnce)), ready;
  while (const size_t got = reader.read(read)) {
    resampler.add(std::span(read).first(got), ready);
    if (!ready.empty()) use(ready);
    ready.clear();
  }
  resampler.finish(ready);
  if (!ready.empty()) use(ready);
}

Sound read_sound(const std::string& path, int64_t rate) {
  SoundReader reader(path);
  Sound sound{rate == 0 ? reader.rate() : rate, {}};
  stream_sound(reader, sound.rate, [&](std::span<const float> piece) {
    sound.samples.insert(sound.samples.end(), piece.begin(), piece.end());
  });
  return sound;
}

}  // namespace lacuna
