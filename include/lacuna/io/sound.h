// Sound files in and out: WAV, FLAC and OGG as a stream of mono samples, at the rate that is asked
// for, in constant memory. Samples are floats; full scale is -1 .. 1.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lacuna {

/// Reads one sound file from its beginning to its end. Not for use by several threads at once.
///
/// WAV files (RIFF and RF64) hold PCM of 8 to 32 bits, floats of 32 or 64 bits, A-law or mu-law.
/// Their data reach to the end of the file, with a note, when its size was never written (0,
/// 0xFFFFFFFF or about 2^31), as by a recorder that was killed; any other size beyond the end of
/// the file is an error.
class SoundReader {
 public:
  static constexpr int64_t kLowestRate = 1'000, kHighestRate = 10'000'000;  // Hz

  /// Throws Error(kData), naming the file and the place in it, for anything but a sound file with
  /// at least one sample and a rate within the bounds. A FLAC file that does not say how long it is
  /// is read once to count.
  explicit SoundReader(const std::string& path);
  /// The same of a file that lies in memory and stays there as long as this object; messages call
  /// it `name`.
  SoundReader(std::string name, std::string_view bytes);
  ~SoundReader();
  SoundReader(SoundReader&&) noexcept;
  SoundReader& operator=(SoundReader&&) noexcept;

  const std::string& name() const;
  /// Samples of each channel, which is how many read() gives in all.
  int64_t frames() const;
  int64_t rate() const;  // Hz
  int64_t channels() const;
  /// What a person should know though the file can be used; each is a sentence without full stop.
  const std::vector<std::string>& notes() const;

  /// The next samples, each the mean over the channels (in double), clipped to -1 .. 1. Fills `out`
  /// unless the sound ends before; returns how many came. Throws Error(kData) where the file is
  /// damaged, ends early or holds an infinity or NaN, with the number of the sample.
  size_t read(std::span<float> out);
  /// How many samples so far were beyond -1 .. 1 after mixing.
  int64_t clipped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// How many samples `frames` at the rate `from` become at the rate `to`: frames * to / from rounded
/// up, so that what lies between the last two samples is not cut off.
int64_t resampled_count(int64_t frames, int64_t from, int64_t to);

/// Changes the rate of a stream of samples by libsamplerate's best band-limited interpolation.
/// Sample i of the result is at the time i / to of the original, without a delay; before its
/// beginning and after its end the original counts as silence. Equal rates copy, bit for bit. The
/// result may overshoot -1 .. 1 a little. It does not depend on how the stream is cut.
class Resampler {
 public:
  static constexpr int64_t kMostUp = 16, kMostDown = 256;

  /// Throws Error(kData) at `place` when the rate would grow more than kMostUp-fold or shrink more
  /// than kMostDown-fold.
  Resampler(const std::string& place, int64_t from, int64_t to);
  ~Resampler();
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;

  /// Appends to `out` what the next samples, which are finite, complete.
  void add(std::span<const float> samples, std::vector<float>& out);
  /// Appends the rest: then resampled_count() samples came in all. Nothing may be added after it.
  void finish(std::vector<float>& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Hands on everything that `reader` has still to give, at `rate`, in pieces of changing size; from
/// the beginning that is resampled_count(frames, its rate, rate) samples. Throws Error(kData) as
/// the two classes do.
void stream_sound(SoundReader& reader, int64_t rate,
                  const std::function<void(std::span<const float>)>& use);

/// A whole sound in memory, for short ones.
struct Sound {
  int64_t rate = 0;  // Hz
  std::vector<float> samples;
};

/// Reads a file as it is (rate 0) or at the given rate. Throws Error(kData).
Sound read_sound(const std::string& path, int64_t rate = 0);

/// A WAV file, mono, 16-bit PCM after a header of 44 bytes; samples as code_of_16_bits()
/// (sample_code.h) has them. At most 2^31 - 64 samples.
std::string encode_wav(int64_t rate, std::span<const float> samples);

}  // namespace lacuna
