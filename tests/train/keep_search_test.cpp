#include "lacuna/train/keep_search.h"

#include "../catch.h"
#include "../nn/tiny_model.h"
#include "lacuna/train/program.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

TinyModel deep_model() {
  nn::ModelConfig config{.layers = 9, .heads = 2, .width = 16, .context = 24};
  config.vocabulary = 11;
  config.attention = {"strided(4)", "dense()"};
  config.dropout = 0.1;
  return {config, 3, DType::kF32, 4};
}

// Dense attention takes longer; the numbers themselves do not matter.
StepSeconds any_seconds(int64_t blocks) {
  StepSeconds seconds;
  for (int64_t block = 0; block < blocks; ++block) {
    seconds.blocks.push_back({.norm = 1,
                              .projection = 6,
                              .attention = block % 2 == 0 ? 9.0 : 17.0,
                              .output = 2,
                              .seam = 1.5,
                              .up = 8,
                              .activate = 1.2,
                              .down = 8.1,
                              .backward = 60});
  }
  return seconds;
}

}  // namespace

TEST_CASE("More bytes never make a plan slower, and its arena is what a program reserves") {
  const TinyModel tiny = deep_model();
  const StepSeconds seconds = any_seconds(9);
  int asked = 0;
  const KeepSearch search(*tiny.model, 3, [&] {
    ++asked;
    return seconds;
  });
  const size_t least = search.least(), most = search.everything().arena;
  CHECK(search.everything().kept.empty());
  CHECK(least < most / 2);
  CHECK_FALSE(search.fastest(least - 1).has_value());
  CHECK(search.fastest(most)->kept.empty());
  CHECK(asked == 0);  // to measure takes memory and time
  double before = 1e9;
  for (int part = 0; part <= 200; ++part) {
    const size_t bytes = least + (most - least) * static_cast<size_t>(part) / 200;
    const std::optional<StepPlan> plan = search.fastest(bytes);
    REQUIRE(plan.has_value());
    CHECK(plan->arena <= bytes);
    CHECK(plan->seconds_again <= before);
    before = plan->seconds_again;
    if (part % 20 != 0) continue;
    StepState state;
    const Program program = Program::training(Queue::cpu(1), *tiny.model, 3, 1, &state, plan->kept);
    CHECK(program.block_bytes() == plan->arena);
    double again = 0;
    for (size_t block = 0; block < plan->kept.size(); ++block) {
      again += seconds_again(seconds, static_cast<int64_t>(block), plan->kept[block]);
    }
    CHECK(again == Approx(plan->seconds_again));
  }
  CHECK(asked == 1);
}
