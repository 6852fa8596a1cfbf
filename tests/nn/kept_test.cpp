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

void run(TinyModel& tiny, Queue queue, Arena& arena, const nn::KeptByBlock& kept) {
  Tape tape(queue, arena, Tape::Mode::kRecord);
  Variable logits = tiny.model->logits(tape, tiny.tokens, &tiny.state, kept);
  const Tensor losses = ops::cross_entropy(tape, logits, tiny.tokens, 1, &tiny.state);
  logits = {};
  tape.backward();
}

MemoryPlan planned(TinyModel& tiny, const nn::KeptByBlock& kept) {
  Arena recorder;
  run(tiny, Queue::dry(), recorder, kept);
  return recorder.plan();
}

// A step of a model that keeps this.
Step step(DType dtype, int threads, const nn::KeptByBlock& kept) {
  TinyModel tiny(config(), 2, dtype, 77);
  const MemoryPlan plan = planned(tiny, kept);
  Arena arena(plan);
  const Queue queue = Queue::cpu(threads);
  run(tiny, queue, arena, kept);
  return {plan.total, plan.peak.total(), queue.to_host(tiny.parameters->gradients())};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.view().bytes() == b.view().bytes() &&
         std::memcmp(a.view().raw(), b.view().raw(), a.view().bytes()) == 0;
}

nn::KeptByBlock in_every_block(BlockResults kept) {
  return nn::KeptByBlock(kLayers, kept);
}

// What each block keeps, at random, and always `sure`.
nn::KeptByBlock any_kept(uint64_t& random, BlockResults sure) {
  nn::KeptByBlock kept;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    BlockResults results = sure;
    random = mix64(random);
    for (int bit = 0; bit < nn::kBlockResults; ++bit) {
      if (random >> bit & 1) results = results.with(BlockResult(bit));
    }
    kept.push_back(results);
  }
  return kept;
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
    for (int k = 0; k < 12; ++k) choices.push_back(any_kept(random, BlockResults::none()));
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

TEST_CASE("The costs of a chain say the peak of a step, whatever is kept") {
  uint64_t random = 9;
  for (const int64_t vocabulary : {11, 300}) {
    nn::ModelConfig other = config();
    other.vocabulary = vocabulary;
    TinyModel tiny(other, 2, DType::kF32, 77);
    const auto choice_of = [&](BlockResults kept) { return tiny.model->keep_choice(2, kept); };
    for (int k = 0; k < 40; ++k) {
      nn::KeptByBlock kept = any_kept(random, kEntryAlone);
      for (size_t layer = 1; layer < kept.size(); ++layer) {
        random = mix64(random);
        if (random % 3 == 0) kept[layer] = BlockResults::none();
      }
      std::vector<std::vector<nn::KeepChoice>> blocks;
      for (const BlockResults results : kept) blocks.push_back({choice_of(results)});
      const nn::ChainCosts costs = tiny.model->chain_costs(2, blocks);
      std::string text;
      for (const BlockResults results : kept) text += nn::text_of(results) + "; ";
      CAPTURE(text, vocabulary);
      const nn::KeepPlan plan = nn::plan_of(costs, std::vector<size_t>(kept.size(), 0));
      CHECK(plan.peak == planned(tiny, kept).peak.total());
    }
  }
}
