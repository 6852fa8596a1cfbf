#include "lacuna/train/sampler.h"

#include <algorithm>

#include "../catch.h"
#include "hand_model.h"
#include "lacuna/train/program.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

using Texts = std::vector<std::vector<int32_t>>;

Texts all_sampled(HandModel& tiny, const std::vector<int32_t>& prompt, const SampleConfig& config) {
  Texts texts(static_cast<size_t>(config.count));
  sample(tiny.queue, tiny.model, prompt, config,
         {[&](int64_t s, int32_t symbol) {
            texts.at(static_cast<size_t>(s - config.first)).push_back(symbol);
          },
          [] { return false; }});
  return texts;
}

std::vector<int32_t> sampled(HandModel& tiny, const std::vector<int32_t>& prompt,
                             const SampleConfig& config) {
  return all_sampled(tiny, prompt, config).front();
}

}  // namespace

TEST_CASE("at temperature 0 every symbol is the likeliest after the ones before it") {
  HandModel tiny;
  const std::vector<int32_t> prompt{3, 1};
  const std::vector<int32_t> drawn =
      sampled(tiny, prompt, {.length = HandModel::kContext - 2, .rule = {.temperature = 0}});
  std::vector<int32_t> text = prompt;
  text.insert(text.end(), drawn.begin(), drawn.end());
  REQUIRE(text.size() == HandModel::kContext);

  Program program = Program::evaluation(tiny.queue, tiny.model, 1);
  std::copy(text.begin(), text.end(), program.tokens());
  program.run(tiny.model);
  const double* logits = program.logits().data<double>();
  for (size_t t = prompt.size(); t < text.size(); ++t) {
    const double* row = logits + t * HandModel::kVocabulary;
    INFO("position " << t);
    CHECK(std::max_element(row, row + HandModel::kVocabulary) - row == text[t]);
  }
}

TEST_CASE("symbol n of a sample is drawn with a number of the seed and n alone") {
  HandModel tiny;
  tiny.fix_logits({0.3, -0.2, 0.9, 0, 0.1});
  const auto symbols = sampled(tiny, {}, {.length = 40, .seed = 9});
  CHECK(symbols.size() == 40);
  const std::vector<int32_t> long_prompt(3 * HandModel::kContext, 2);
  CHECK(sampled(tiny, long_prompt, {.length = 40, .seed = 9}) == symbols);
  CHECK(sampled(tiny, {1}, {.length = 7, .seed = 9}) ==
        std::vector<int32_t>(symbols.begin(), symbols.begin() + 7));
  CHECK(sampled(tiny, {}, {.length = 40, .seed = 10}) != symbols);
}

TEST_CASE("a prompt that fills the context is continued from its newer half") {
  HandModel tiny;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const SampleConfig config{.length = 2, .seed = seed};
    const auto from_half = sampled(tiny, {4, 0, 3}, config);
    CHECK(sampled(tiny, {1, 1, 2, 4, 0, 3}, config) == from_half);
    CHECK(sampled(tiny, {0, 2, 2, 1, 1, 2, 4, 0, 3}, config) == from_half);
  }
}

TEST_CASE("sampling ends after the symbol at which it is told to stop") {
  HandModel tiny;
  for (const bool cached : {true, false}) {
    for (const int64_t batch : {1, 2, 3}) {
      std::vector<int> counts(3);
      sample(tiny.queue, tiny.model, {},
             {.length = 100, .count = 3, .batch = batch, .cached = cached},
             {[&](int64_t s, int32_t) { ++counts[static_cast<size_t>(s)]; },
              [&] { return counts[0] == 3; }});
      CAPTURE(cached, batch);
      for (int64_t s = 0; s < 3; ++s) CHECK(counts[static_cast<size_t>(s)] == (s < batch ? 3 : 0));
    }
  }
}

TEST_CASE("sampling stops within a prompt, too") {
  HandModel tiny;
  int asked = 0, drawn = 0;
  sample(tiny.queue, tiny.model, {1, 2, 3, 4}, {.length = 100},
         {[&](int64_t, int32_t) { ++drawn; }, [&] { return ++asked == 3; }});
  CHECK(asked == 3);
  CHECK(drawn == 0);
}

TEST_CASE("a sample is the same with any number of others, drawn at once or not") {
  HandModel tiny;
  for (const std::vector<int32_t>& prompt :
       {std::vector<int32_t>{}, {1, 4}, {0, 1, 2, 3, 4, 0, 1}}) {
    const SampleConfig one_by_one{.length = 25, .count = 7, .batch = 1, .seed = 3};
    const Texts texts = all_sampled(tiny, prompt, one_by_one);
    for (size_t s = 1; s < texts.size(); ++s) CHECK(texts[s] != texts[0]);
    for (const int64_t batch : {2, 3, 7, 100}) {
      SampleConfig config = one_by_one;
      config.batch = batch;
      CHECK(all_sampled(tiny, prompt, config) == texts);
      config.count = 2;
      CHECK(all_sampled(tiny, prompt, config) == Texts{texts[0], texts[1]});
    }
  }
}

TEST_CASE("samples that begin at any number are those of that number") {
  HandModel tiny;
  const Texts texts = all_sampled(tiny, {1, 4}, {.length = 25, .count = 7, .batch = 3, .seed = 3});
  for (const int64_t first : {0, 1, 4, 6}) {
    for (const int64_t batch : {1, 2, 7}) {
      const SampleConfig config{
          .length = 25, .first = first, .count = 7 - first, .batch = batch, .seed = 3};
      CHECK(all_sampled(tiny, {1, 4}, config) == Texts(texts.begin() + first, texts.end()));
    }
  }
}

TEST_CASE("a full context is cut where symbols that belong together begin") {
  HandModel tiny;  // of a context of 6: two of the newest remain, not three
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const SampleConfig config{.length = 4, .seed = seed, .alignment = 2};
    CHECK(sampled(tiny, {1, 1, 2, 4, 0, 3}, config) == sampled(tiny, {0, 3}, config));
  }
  const SampleConfig whole{.length = 30, .seed = 1},
      aligned{.length = 30, .seed = 1, .alignment = 2};
  CHECK(sampled(tiny, {}, whole) != sampled(tiny, {}, aligned));
}

TEST_CASE("the cache changes no text") {
  HandModel tiny;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (const std::vector<int32_t>& prompt :
         {std::vector<int32_t>{}, {1, 4}, {0, 1, 2, 3, 4, 0}}) {
      SampleConfig config{.length = 30, .count = 3, .batch = 2, .seed = seed};
      const Texts texts = all_sampled(tiny, prompt, config);
      config.cached = false;
      CHECK(all_sampled(tiny, prompt, config) == texts);
    }
  }
}

TEST_CASE("every symbol of a sample obeys top-k") {
  HandModel tiny;
  tiny.fix_logits({0.3, -0.2, 0.9, 0, 0.1});
  const auto symbols = sampled(tiny, {}, {.length = 200, .rule = {.top_k = 2}});
  CHECK(std::count(symbols.begin(), symbols.end(), 2) > 50);
  CHECK(std::count(symbols.begin(), symbols.end(), 0) > 25);
  CHECK(std::count(symbols.begin(), symbols.end(), 2) +
            std::count(symbols.begin(), symbols.end(), 0) ==
        200);
}
