#include "lacuna/train/evaluator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "../catch.h"
#include "../expect_error.h"
#include "hand_model.h"
#include "memory_data.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

constexpr int64_t kContext = HandModel::kContext;

std::vector<int32_t> symbols_of(size_t count) {
  std::vector<int32_t> symbols(count);
  for (size_t i = 0; i < count; ++i) symbols[i] = static_cast<int32_t>((i * i + i / 3) % 5);
  return symbols;
}

EvaluationRequest request(const MemoryData& data, int64_t min_context = 0) {
  return {.name = "valid",
          .part = data.part(Split::kValid),
          .medium = data.medium(),
          .min_context = min_context};
}

Evaluation evaluated(HandModel& tiny, const std::vector<int32_t>& valid, int64_t batch,
                     int64_t min_context = 0) {
  const MemoryData data(HandModel::kVocabulary, {}, valid);
  Program program = Program::evaluation(tiny.queue, tiny.model, batch);
  return evaluate(program, tiny.model, request(data, min_context), never);
}

// -log2 of the probability that softmax(row) gives to `symbol`.
double bits_of(const double* row, int32_t symbol) {
  double sum = 0;
  for (int64_t j = 0; j < HandModel::kVocabulary; ++j) sum += std::exp(row[j]);
  return std::log2(sum) - row[symbol] / std::log(2.0);
}

}  // namespace

TEST_CASE("evaluation is the mean over all positions: a model with fixed logits, by hand") {
  HandModel tiny;
  // Probabilities 1/2, 1/4, 1/8, 1/16, 1/16: the bits of symbols 0 .. 4 are 1, 2, 3, 4, 4.
  const double ln2 = std::log(2.0);
  tiny.fix_logits({4 * ln2, 3 * ln2, 2 * ln2, ln2, ln2});
  const std::vector<int32_t> valid{0, 1, 2, 3, 4, 0, 0, 0, 3, 2, 1, 1, 4, 4};  // 2 whole windows
  const double sum = 1 + 2 + 3 + 4 + 4 + 1 + 1 + 1 + 4 + 3 + 2 + 2 + 4 + 4;
  for (const int64_t batch : {1, 2, 3, 7}) {
    const Evaluation result = evaluated(tiny, valid, batch);
    CHECK(result.bits == Approx(sum / 14).epsilon(0).margin(1e-12));
    CHECK(result.positions == 14);
    CHECK(result.windows == 3);
    CHECK(result.complete);
    CHECK(result.part == "valid");
    CHECK(result.windows_in_part == 3);
  }
}

TEST_CASE("evaluation scores each window from its own first symbol on, for any batch size") {
  HandModel tiny;
  for (const size_t count : {1, 5, 6, 7, 41, 42}) {
    const std::vector<int32_t> valid = symbols_of(count);
    double sum = 0;
    Program program = Program::evaluation(tiny.queue, tiny.model, 1);
    for (size_t begin = 0; begin < count; begin += kContext) {
      const size_t length = std::min<size_t>(kContext, count - begin);
      std::fill_n(program.tokens(), kContext, 3);  // other padding than the evaluator's
      std::copy_n(valid.begin() + static_cast<std::ptrdiff_t>(begin), length, program.tokens());
      program.run(tiny.model);
      for (size_t t = 0; t < length; ++t) {
        const double* row = program.logits().data<double>() + t * HandModel::kVocabulary;
        sum += bits_of(row, valid[begin + t]);
      }
    }
    for (const int64_t batch : {1, 2, 3, 7}) {
      INFO(count << " symbols, batch " << batch);
      const Evaluation result = evaluated(tiny, valid, batch);
      CHECK(result.bits == Approx(sum / static_cast<double>(count)).epsilon(0).margin(1e-12));
      CHECK(result.positions == static_cast<int64_t>(count));
      CHECK(result.windows == static_cast<int64_t>((count + 5) / 6));
    }
  }
}

TEST_CASE("the tiny model's bits depend on the symbols, so the tests above can fail") {
  HandModel tiny;
  std::vector<int32_t> valid = symbols_of(41);
  const double bits = evaluated(tiny, valid, 3).bits;
  valid.front() = (valid.front() + 1) % 5;  // changes what later positions of the window see
  CHECK(std::abs(evaluated(tiny, valid, 3).bits - bits) > 1e-3);
}

TEST_CASE("what the evaluator gives the symbols that may come at a position adds up to 1") {
  HandModel tiny;
  const std::vector<int32_t> text = symbols_of(41);
  for (const size_t position : {0U, 4U, 5U, 6U, 17U, 29U, 40U}) {
    std::vector<double> probabilities;
    for (int32_t symbol = 0; symbol < HandModel::kVocabulary; ++symbol) {
      std::vector<int32_t> other = text;
      other[position] = symbol;
      const MemoryData data(HandModel::kVocabulary, {}, other);
      Program program = Program::evaluation(tiny.queue, tiny.model, 3);
      const auto scored = [&](const EvaluationWindow& window, const double* losses) {
        const int64_t at = static_cast<int64_t>(position) - window.begin;
        if (at >= window.score_begin && at < window.length) {
          probabilities.push_back(std::exp(-losses[at]));
        }
      };
      evaluate(program, tiny.model, request(data, 2), never, {}, scored);
    }
    CHECK(probabilities.size() == HandModel::kVocabulary);
    CHECK(std::accumulate(probabilities.begin(), probabilities.end(), 0.0) ==
          Approx(1).epsilon(0).margin(1e-12));
    const auto [low, high] = std::minmax_element(probabilities.begin(), probabilities.end());
    CHECK(*high - *low > 1e-3);
  }
}

TEST_CASE("an evaluation that is stopped says so and gives the mean so far") {
  HandModel tiny;
  const std::vector<int32_t> valid = symbols_of(41);
  const MemoryData data(HandModel::kVocabulary, {}, valid);
  Program program = Program::evaluation(tiny.queue, tiny.model, 2);
  int asked = 0;
  const Evaluation part =
      evaluate(program, tiny.model, request(data), [&] { return ++asked == 3; });
  CHECK(!part.complete);
  CHECK(part.positions == 24);
  const std::vector<int32_t> head(valid.begin(), valid.begin() + 24);
  CHECK(part.bits == Approx(evaluated(tiny, head, 1).bits).epsilon(0).margin(1e-12));
}

TEST_CASE("an empty part has no positions and no bits") {
  HandModel tiny;
  const Evaluation result = evaluated(tiny, {}, 2);
  CHECK(result.positions == 0);
  CHECK(result.bits == 0);
  CHECK(result.complete);
}

TEST_CASE("with a minimum context each position is scored in the window that gives it as much") {
  HandModel tiny;
  Program program = Program::evaluation(tiny.queue, tiny.model, 1);
  const std::vector<int32_t> valid = symbols_of(23);
  for (const int64_t least : {1, 3, 5}) {
    // Position p is scored in the first window that reaches it: by hand, window after window.
    double sum = 0;
    int64_t windows = 0;
    for (int64_t scored = 0; scored < 23; ++windows) {
      const int64_t begin = scored == 0 ? 0 : scored - least;
      const int64_t end = std::min<int64_t>(23, begin + kContext);
      std::copy(valid.begin() + begin, valid.begin() + end, program.tokens());
      program.run(tiny.model);
      for (; scored < end; ++scored) {
        const int64_t row = (scored - begin) * HandModel::kVocabulary;
        sum += bits_of(program.logits().data<double>() + row, valid[static_cast<size_t>(scored)]);
      }
    }
    for (const int64_t batch : {1, 4}) {
      const Evaluation result = evaluated(tiny, valid, batch, least);
      CHECK(result.bits == Approx(sum / 23).epsilon(0).margin(1e-12));
      CHECK(result.positions == 23);
      CHECK(result.windows == windows);
    }
  }
  expect_error(ErrorKind::kConfig, "", [&] { evaluated(tiny, valid, 1, kContext); });
}
