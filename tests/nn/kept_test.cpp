// A model that keeps less makes the same gradients in less memory.
#include "lacuna/nn/kept.h"

#include <cstring>

#include "catch.h"
#include "lacuna/base/rng.h"
#include "tiny_model.h"

using namespace lacuna;
using nn::BlockResult;
using nn::BlockResults;

namespace {

constexpr int64_t kLayers = 4;

nn::ModelConfig config() {
  return {.layers = kLayers,
          .heads = 2,
          .width = 32,
          .qk_width = 16,
          .feedforward_width = 80,
          .context = 40,
          .vocabulary = 11,
          .attention = {"strided(8)", "fixed(8, 2)"},
          .dropout = 0.2};
}

struct Step {
  size_t bytes;      // of the arena
  size_t peak;       // alive at once
  Tensor gradients;  // flat
};

// A step of a model that keeps this.
Step step(DType dtype, int threads, const nn::KeptByBlock& kept) {
  TinyModel tiny(config(), 2, dtype, 77);
  const auto run = [&](Queue& queue, Arena& arena) {
    Tape tape(queue, arena, Tape::Mode::kRecord);
    ops::cross_entropy(tape, tiny.model->logits(tape, tiny.tokens, &tiny.state, kept), tiny.tokens,
                       1, &tiny.state);
    tape.backward();
  };
  Queue dry = Queue::dry(), queue = Queue::cpu(threads);
  Arena recorder;
  run(dry, recorder);
  const MemoryPlan plan = recorder.plan();
  Arena arena(plan);
  run(queue, arena);
  return {plan.total, plan.peak.total(), queue.to_host(tiny.parameters->gradients())};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.view().bytes() == b.view().bytes() &&
         std::memcmp(a.view().raw(), b.view().raw(), a.view().bytes()) == 0;
}

nn::KeptByBlock in_every_block(BlockResults kept) {
  return nn::KeptByBlock(kLayers, kept);
}

constexpr BlockResults kEntryAlone = BlockResults::none().with(BlockResult::kEntry);

}  // namespace

TEST_CASE("Whatever is kept, the gradients are the same bits, with dropout and on any threads") {
  uint64_t random = 5;
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    const Step whole = step(dtype, 2, {});
    CHECK(same_bits(step(dtype, 1, {}).gradients, whole.gradients));
    std::vector<nn::KeptByBlock> choices = {in_every_block(kEntryAlone),
                                            in_every_block(BlockResults::none()),
                                            in_every_block(BlockResults::all())};
    for (int k = 0; k < nn::kBlockResults; ++k) {
      choices.push_back(in_every_block(BlockResults::all().without(BlockResult(k))));
      choices.push_back(in_every_block(BlockResults::none().with(BlockResult(k))));
    }
    for (int k = 0; k < 30; ++k) {
      nn::KeptByBlock& kept = choices.emplace_back();
      for (int64_t layer = 0; layer < kLayers; ++layer) {
        BlockResults results = BlockResults::none();
        random = mix64(random);
        for (int bit = 0; bit < nn::kBlockResults; ++bit) {
          if (random >> bit & 1) results = results.with(BlockResult(bit));
        }
        kept.push_back(results);
      }
    }
    for (const nn::KeptByBlock& kept : choices) {
      std::string text;
      for (const BlockResults results : kept) text += nn::text_of(results) + "; ";
      CAPTURE(text);
      const Step less = step(dtype, 2, kept);
      CHECK(same_bits(less.gradients, whole.gradients));
      CHECK(less.peak <= whole.peak);
    }
  }
}

TEST_CASE("What keeps everything by name is planned as what says nothing") {
  const Step named = step(DType::kF32, 1, in_every_block(BlockResults::all()));
  CHECK(named.bytes == step(DType::kF32, 1, {}).bytes);
}

TEST_CASE("Each result that is not kept takes less memory: entries alone a part of everything") {
  const size_t whole = step(DType::kF32, 1, {}).peak;
  for (int k = 1; k < nn::kBlockResults; ++k) {
    CAPTURE(nn::name_of(BlockResult(k)));
    CHECK(step(DType::kF32, 1, in_every_block(BlockResults::all().without(BlockResult(k)))).peak <
          whole);
  }
  const size_t entries = step(DType::kF32, 1, in_every_block(kEntryAlone)).peak;
  CHECK(entries < whole / 2);
  nn::KeptByBlock segments = in_every_block(kEntryAlone);  // of two blocks
  segments[1] = segments[3] = BlockResults::none();
  CHECK(step(DType::kF32, 1, segments).peak < entries);
}
