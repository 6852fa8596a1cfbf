#include "lacuna/train/sampler.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "lacuna/train/decode_program.h"
#include "lacuna/train/draw.h"
#include "lacuna/train/program.h"

namespace lacuna::train {
namespace {

using Texts = std::vector<std::vector<int32_t>>;  // of one length, shorter than the context

}  // namespace

// Tells the logits of the symbol that comes next in each text.
class Sampler::Predictor {
 public:
  virtual ~Predictor() = default;
  /// Returns false when it was stopped before the end.
  virtual bool read(const Texts& texts, const std::function<bool()>& stop) = 0;
  virtual std::vector<double> logits(size_t text) const = 0;
  /// The next texts do not continue the last ones.
  virtual void restart() = 0;
  virtual MemoryUse memory() const = 0;
  virtual size_t block_bytes() const = 0;
};

class Sampler::WholePasses final : public Predictor {
 public:
  WholePasses(const Queue& queue, const nn::Transformer& model, int64_t batch,
              std::shared_ptr<SharedBlock> block)
      : model_(model), program_(Program::evaluation(queue, model, batch, std::move(block))) {}

  bool read(const Texts& texts, const std::function<bool()>&) override {
    length_ = static_cast<int64_t>(texts[0].size());
    std::fill(program_.tokens(), program_.tokens() + program_.batch() * context(), 0);
    for (size_t b = 0; b < texts.size(); ++b) {
      std::copy(texts[b].begin(), texts[b].end(),
                program_.tokens() + static_cast<int64_t>(b) * context());
    }
    program_.run(model_);
    logits_ = program_.logits();
    return true;
  }
  std::vector<double> logits(size_t text) const override {
    return row_of(logits_, static_cast<int64_t>(text) * context() + length_);
  }
  void restart() override {}
  MemoryUse memory() const override { return program_.memory(); }
  size_t block_bytes() const override { return program_.block_bytes(); }

 private:
  int64_t context() const { return model_.config().context; }

  const nn::Transformer& model_;
  Program program_;
  View logits_;
  int64_t length_ = 0;
};

// Decodes the positions that the texts have gained since the last call.
class Sampler::CachedSteps final : public Predictor {
 public:
  CachedSteps(const Queue& queue, const nn::Transformer& model, int64_t batch,
              std::shared_ptr<SharedBlock> block)
      : program_(queue, model, batch, std::move(block)) {}

  bool read(const Texts& texts, const std::function<bool()>& stop) override {
    for (; next_ <= texts[0].size(); ++next_) {
      if (stop()) return false;
      for (size_t b = 0; b < texts.size() && next_ > 0; ++b) {
        program_.tokens()[b] = texts[b][next_ - 1];
      }
      program_.run(static_cast<int64_t>(next_));
    }
    logits_ = program_.logits();
    return true;
  }
  std::vector<double> logits(size_t text) const override {
    return row_of(logits_, static_cast<int64_t>(text));
  }
  void restart() override { next_ = 0; }
  MemoryUse memory() const override { return program_.memory(); }
  size_t block_bytes() const override { return program_.block_bytes(); }

 private:
  DecodeProgram program_;
  View logits_;
  size_t next_ = 0;  // position
};

Sampler::Sampler(const Queue& queue, const nn::Transformer& model, const SampleConfig& config,
                 std::shared_ptr<SharedBlock> block)
    : config_(config), context_(static_cast<size_t>(model.config().context)) {
  config_.batch = std::min(config.batch, config.count);
  if (config.cached) {
    predictor_ = std::make_unique<CachedSteps>(queue, model, config_.batch, std::move(block));
  } else {
    predictor_ = std::make_unique<WholePasses>(queue, model, config_.batch, std::move(block));
  }
}

Sampler::~Sampler() = default;

MemoryUse Sampler::memory() const {
  return predictor_->memory();
}

size_t Sampler::block_bytes() const {
  return predictor_->block_bytes();
}

void Sampler::draw(const std::vector<int32_t>& prompt, const SampleListener& listener) {
  for (int64_t done = 0; done < config_.count; done += config_.batch) {
    const int64_t count = std::min(config_.batch, config_.count - done);
    if (!draw_together(prompt, config_.first + done, count, listener)) return;
  }
}

// Draws samples first .. first + count - 1. Returns false when it was stopped.
bool Sampler::draw_together(const std::vector<int32_t>& prompt, int64_t first, int64_t count,
                            const SampleListener& listener) {
  const auto half = static_cast<int64_t>(context_ / 2);
  const int64_t kept = half - half % config_.alignment;
  Texts texts(static_cast<size_t>(count), prompt);
  predictor_->restart();
  for (int64_t n = 0; n < config_.length; ++n) {
    if (texts[0].size() >= context_) {
      for (auto& text : texts) {
        text.erase(text.begin(), text.end() - kept);
      }
      predictor_->restart();
    }
    if (listener.stop() || !predictor_->read(texts, listener.stop)) return false;
    for (size_t b = 0; b < texts.size(); ++b) {
      const int64_t sample = first + static_cast<int64_t>(b);
      const PhiloxKey key =
          random_key(config_.seed, RandomUse::kSample, static_cast<uint64_t>(sample));
      const PhiloxCounter words = random_words(key, static_cast<uint64_t>(n), 0, 0);
      texts[b].push_back(
          train::draw(predictor_->logits(b), config_.rule, uniform_double(words[0], words[1])));
      listener.symbol(sample, texts[b].back());
    }
  }
  return true;
}

int64_t default_length(const Medium& medium, int64_t context) {
  constexpr int64_t kTextLength = 256;
  if (medium.sample_size() > 0) return medium.sample_size();
  return medium.rate() > 0 ? context : kTextLength;
}

void sample(const Queue& queue, const nn::Transformer& model, const std::vector<int32_t>& prompt,
            const SampleConfig& config, const SampleListener& listener) {
  Sampler(queue, model, config).draw(prompt, listener);
}

}  // namespace lacuna::train
