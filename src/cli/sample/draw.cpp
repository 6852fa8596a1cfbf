#include "draw.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "lacuna/base/text.h"
#include "lacuna/train/run_display.h"

namespace lacuna::cli {
namespace {

// What a person sees meanwhile. A line costs more than a symbol, so the clock is looked at once for
// each position of a batch, and a line is made at intervals.
class Progress {
 public:
  Progress(int64_t samples, int64_t length, int64_t batch)
      : samples_(samples), length_(length), batch_(batch) {}

  void add_symbol() {
    if (done_++ % batch_ != 0) return;
    const Clock::time_point now = Clock::now();
    if (done_ == 1) begin_ = now;  // what comes before the first symbol comes once
    if (now - shown_ < std::chrono::milliseconds(200)) return;
    shown_ = now;
    show(std::chrono::duration<double>(now - begin_).count());
  }

 private:
  using Clock = std::chrono::steady_clock;

  void show(double spent) {
    const int64_t all = samples_ * length_;
    const double share = static_cast<double>(done_) / static_cast<double>(all);
    train::DisplayLine line{
        .doing = str("sample ", std::min(done_ / length_ + 1, samples_), "/", samples_),
        .place = bar(share)};
    if (spent > 0) {
      const double rate = static_cast<double>(done_) / spent;
      line.tokens_per_second = rate;
      line.seconds_left = static_cast<double>(all - done_) / rate;
    }
    display_.show_at_work(line);
  }
  static std::string bar(double share) {
    constexpr size_t kWidth = 20;
    const auto full = std::min(static_cast<size_t>(share * kWidth), kWidth);
    return str("[", std::string(full, '#'), std::string(kWidth - full, '-'), "] ",
               fixed(100 * share, 0), "%");
  }

  int64_t samples_, length_, batch_;
  int64_t done_ = 0;  // symbols
  Clock::time_point begin_, shown_;
  train::RunDisplay display_{1};
};

// Samples that are drawn at once. They are written while the next ones are drawn: the disk takes
// longer for a file than the device for a symbol.
class Batch {
 public:
  Batch(const SampleRequest& request, SampleOutput& output, const SampleOutput::Range& range)
      : request_(request), output_(output), first_(range.first), left_(range.count) {
    begin();
  }

  void add(int64_t number, int32_t symbol) {
    std::vector<int32_t>& sample = samples_[static_cast<size_t>(number - first_)];
    sample.push_back(symbol);
    if (&sample != &samples_.back() || std::ssize(sample) < whole()) return;
    write();
    first_ += std::ssize(samples_);
    left_ -= std::ssize(samples_);
    begin();
  }
  /// Waits until everything is written; tells whether that was all.
  bool finish() {
    if (written_.valid()) written_.get();
    return left_ == 0;
  }

 private:
  int64_t whole() const { return std::ssize(request_.prompt) + request_.config.length; }
  void write() {
    if (written_.valid()) written_.get();
    written_ = std::async(std::launch::async, [this, first = first_, samples = samples_] {
      output_.add(first, samples);
    });
  }
  void begin() {
    samples_.assign(static_cast<size_t>(std::min(request_.config.batch, left_)), request_.prompt);
    for (auto& sample : samples_) sample.reserve(static_cast<size_t>(whole()));
  }

  const SampleRequest& request_;
  SampleOutput& output_;
  int64_t first_, left_;
  std::vector<std::vector<int32_t>> samples_;
  std::future<void> written_;
};

}  // namespace

bool draw_samples(train::SavedRun& run, const SampleRequest& request, SampleOutput& output,
                  const Stop& stop) {
  const std::vector<SampleOutput::Range> ranges = output.missing();
  int64_t samples = 0;
  for (const auto& range : ranges) samples += range.count;
  Progress progress(samples, request.config.length, std::min(request.config.batch, samples));
  for (const auto& range : ranges) {
    Batch batch(request, output, range);
    train::SampleConfig config = request.config;
    config.first = range.first - 1;
    config.count = range.count;
    const auto add = [&](int64_t sample, int32_t symbol) {
      progress.add_symbol();
      batch.add(sample + 1, symbol);
    };
    train::sample(run.queue(), run.model(), request.prompt, config, {add, stop});
    if (!batch.finish()) return false;
  }
  return true;
}

}  // namespace lacuna::cli
