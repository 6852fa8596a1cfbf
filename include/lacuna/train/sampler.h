// Drawing symbols from a model, one after the other, for one sample or many.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lacuna/data/medium.h"
#include "lacuna/nn/transformer.h"
#include "lacuna/tensor/shared_block.h"
#include "lacuna/train/draw.h"

namespace lacuna::train {

struct SampleConfig {
  int64_t length = 256;  // symbols to draw for each sample
  int64_t first = 0;     // number of the first sample
  int64_t count = 1;     // samples
  int64_t batch = 1;     // samples that are drawn at once
  DrawRule rule;
  uint64_t seed = 1;
  bool cached = true;     // false: each symbol costs a whole forward pass
  int64_t alignment = 1;  // symbols that belong together; a context begins with the first of some
};

/// Symbols of a sample where no length is asked for: all of a picture, of sound what fills
/// `context` positions, 256 of a text.
int64_t default_length(const Medium& medium, int64_t context);

/// What sample() tells; both may be called at any symbol.
struct SampleListener {
  std::function<void(int64_t sample, int32_t symbol)> symbol;
  /// Sampling ends, after the symbol at hand, once this is true.
  std::function<bool()> stop;
};

/// Draws the same samples of a model as often as it is asked to, with memory that is planned once.
class Sampler {
 public:
  /// Plans the memory of drawing them and reserves it in `block`, which is taken with the first
  /// draw(); without one the sampler makes its own. `model` must outlive the sampler.
  Sampler(const Queue& queue, const nn::Transformer& model, const SampleConfig& config,
          std::shared_ptr<SharedBlock> block = {});
  ~Sampler();

  const SampleConfig& config() const { return config_; }
  /// As sample() does. Another program of the block must not run meanwhile.
  void draw(const std::vector<int32_t>& prompt, const SampleListener& listener);

  /// What draw() holds at its fullest, with the gaps that packing left as workspace.
  MemoryUse memory() const;
  /// What it reserves in the block.
  size_t block_bytes() const;

 private:
  class Predictor;
  class WholePasses;
  class CachedSteps;
  bool draw_together(const std::vector<int32_t>& prompt, int64_t first, int64_t count,
                     const SampleListener& listener);

  SampleConfig config_;
  size_t context_;
  std::unique_ptr<Predictor> predictor_;
};

/// Draws the continuations first .. first + count - 1 of `prompt` (symbols in [0, V)). The symbols
/// of a sample come in order; samples that are drawn at once come by turns, and one batch after the
/// other. Symbol n of sample s is drawn with a number that depends on (seed, s, n) alone, from
/// logits that depend on the symbols before it alone (with the cache: bit for bit), so first, count
/// and batch change no sample. When the context is full, the model goes on with the newer half of
/// it as prompt (rounded down to the alignment, which divides the lengths of context and prompt); a
/// prompt that does not fit in the context is cut in the same way.
void sample(const Queue& queue, const nn::Transformer& model, const std::vector<int32_t>& prompt,
            const SampleConfig& config, const SampleListener& listener);

}  // namespace lacuna::train
