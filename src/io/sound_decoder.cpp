// The only source that includes libsndfile.
#include "sound_decoder.h"

#include <sndfile.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {

/// What the library sees as its file. Its callbacks are called from C, so that failures wait here.
struct SoundWindow {
  const SoundBytes& bytes;
  sf_count_t begin, size, at = 0;
  std::exception_ptr failure{};
};

namespace {

sf_count_t window_size(void* user) {
  return static_cast<SoundWindow*>(user)->size;
}

sf_count_t window_tell(void* user) {
  return static_cast<SoundWindow*>(user)->at;
}

sf_count_t window_seek(sf_count_t offset, int whence, void* user) {
  auto& window = *static_cast<SoundWindow*>(user);
  const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? window.at : window.size;
  if (offset < -from || offset > window.size - from) return -1;
  return window.at = from + offset;
}

sf_count_t window_read(void* out, sf_count_t count, void* user) {
  auto& window = *static_cast<SoundWindow*>(user);
  count = std::clamp<sf_count_t>(count, 0, window.size - window.at);
  try {
    window.bytes.read(static_cast<size_t>(window.begin + window.at), static_cast<size_t>(count),
                      out);
  } catch (...) {
    window.failure = std::current_exception();
    return 0;
  }
  window.at += count;
  return count;
}

sf_count_t window_write(const void* /*bytes*/, sf_count_t /*count*/, void* /*user*/) {
  return 0;
}

int format_of(WavCoding coding) {
  constexpr int kFormats[] = {SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24,
                              SF_FORMAT_PCM_32, SF_FORMAT_FLOAT,  SF_FORMAT_DOUBLE,
                              SF_FORMAT_ALAW,   SF_FORMAT_ULAW};
  return SF_FORMAT_RAW | SF_ENDIAN_LITTLE | kFormats[static_cast<size_t>(coding)];
}

}  // namespace

struct SoundDecoder::State {
  std::string place;
  SoundWindow window;
  SF_INFO info{};
  SNDFILE* file = nullptr;
  int64_t frames_read = 0;

  State(std::string name, const SoundBytes& bytes, size_t begin, size_t end)
      : place(std::move(name)),
        window{bytes, static_cast<sf_count_t>(begin), static_cast<sf_count_t>(end - begin)} {}
  ~State() {
    if (file != nullptr) sf_close(file);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void check_window() const {
    if (window.failure) std::rethrow_exception(window.failure);
  }
};

SoundDecoder::SoundDecoder(std::string place, const SoundBytes& bytes, size_t begin, size_t end,
                           const WavLayout* layout)
    : state_(std::make_unique<State>(std::move(place), bytes, begin, end)) {
  if (layout != nullptr) {
    state_->info.format = format_of(layout->coding);
    state_->info.channels = static_cast<int>(layout->channels);
    state_->info.samplerate = static_cast<int>(layout->rate);
  }
  SF_VIRTUAL_IO io{window_size, window_seek, window_read, window_write, window_tell};
  state_->file = sf_open_virtual(&io, SFM_READ, &state_->info, &state_->window);
  state_->check_window();
  if (state_->file == nullptr) {
    throw Error(ErrorKind::kData, state_->place,
                str("the sound cannot be read: ", printable(trimmed(sf_strerror(nullptr)))),
                kSoundCutShort);
  }
}

SoundDecoder::~SoundDecoder() = default;

int64_t SoundDecoder::channels() const {
  return state_->info.channels;
}

int64_t SoundDecoder::rate() const {
  return state_->info.samplerate;
}

std::optional<int64_t> SoundDecoder::frames() const {
  const sf_count_t frames = state_->info.frames;
  if (frames <= 0 || frames == SF_COUNT_MAX) return std::nullopt;
  return frames;
}

int64_t SoundDecoder::read(double* out, int64_t count) {
  const sf_count_t got = sf_readf_double(state_->file, out, count);
  state_->check_window();
  if (const int fault = sf_error(state_->file); fault != SF_ERR_NO_ERROR) {
    throw Error(ErrorKind::kData, state_->place,
                str("the sound is damaged after sample ", state_->frames_read, ": ",
                    printable(trimmed(sf_error_number(fault)))));
  }
  state_->frames_read += got;
  return got;
}

}  // namespace lacuna
