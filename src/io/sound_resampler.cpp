// The only source that includes libsamplerate.
#include <samplerate.h>

#include <algorithm>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/io/sound.h"

namespace lacuna {
namespace {

constexpr size_t kPieceOut = 4096, kMostIn = 1 << 20;  // samples of one call

void check(int fault) {
  if (fault == 0) return;
  throw Error(ErrorKind::kInternal, "resampler", src_strerror(fault));
}

}  // namespace

int64_t resampled_count(int64_t frames, int64_t from, int64_t to) {
  const int64_t whole = frames / from * to;  // which keeps the product small
  return whole + (frames % from * to + from - 1) / from;
}

struct Resampler::State {
  int64_t from, to;
  SRC_STATE* converter = nullptr;  // none where the rates are equal
  int64_t taken = 0, given = 0;    // samples
  bool finished = false;

  ~State() {
    if (converter != nullptr) src_delete(converter);
  }
  void feed(std::span<const float> samples, std::vector<float>& out);
};

Resampler::Resampler(const std::string& place, int64_t from, int64_t to)
    : state_(new State{from, to}) {
  require(from > 0 && to > 0, "Resampler", "a rate is not positive");
  if (to > from * kMostUp || from > to * kMostDown) {
    throw Error(
        ErrorKind::kData, place,
        str("its rate of ", from, " Hz is too far from the ", to, " Hz asked for: it may grow ",
            kMostUp, "-fold or shrink ", kMostDown, "-fold at most"),
        "Check the rate that is asked for and the one in the file's header");
  }
  if (from == to) return;
  int fault = 0;
  state_->converter = src_new(SRC_SINC_BEST_QUALITY, 1, &fault);
  check(fault);
}

Resampler::~Resampler() = default;
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;

/// The library is never told that the input ends: it gives a sample once it has all that its filter
/// looks at, and drops none.
void Resampler::State::feed(std::span<const float> samples, std::vector<float>& out) {
  SRC_DATA data{};
  data.src_ratio = static_cast<double>(to) / static_cast<double>(from);
  do {
    const size_t begin = out.size();
    out.resize(begin + kPieceOut);
    data.data_in = samples.data();
    data.input_frames = static_cast<long>(std::min(samples.size(), kMostIn));
    data.data_out = out.data() + begin;
    data.output_frames = kPieceOut;
    check(src_process(converter, &data));
    out.resize(begin + static_cast<size_t>(data.output_frames_gen));
    samples = samples.subspan(static_cast<size_t>(data.input_frames_used));
    given += data.output_frames_gen;
  } while (data.input_frames_used > 0 || data.output_frames_gen > 0);
}

void Resampler::add(std::span<const float> samples, std::vector<float>& out) {
  require(!state_->finished, "Resampler::add", "the stream has been finished");
  if (samples.empty()) return;
  state_->taken += static_cast<int64_t>(samples.size());
  if (state_->converter == nullptr) {
    out.insert(out.end(), samples.begin(), samples.end());
  } else {
    state_->feed(samples, out);
  }
}

void Resampler::finish(std::vector<float>& out) {
  require(!state_->finished, "Resampler::finish", "the stream has been finished");
  state_->finished = true;
  if (state_->converter == nullptr) return;
  const int64_t wanted = resampled_count(state_->taken, state_->from, state_->to);
  const std::vector<float> silence(kPieceOut);
  while (state_->given < wanted) state_->feed(silence, out);
  out.resize(out.size() - static_cast<size_t>(state_->given - wanted));
}

}  // namespace lacuna
