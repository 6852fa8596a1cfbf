#include "lacuna/train/sample_scores.h"

#include "../catch.h"
#include "hand_model.h"
#include "memory_data.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

// Records of 4, 1 and 9 symbols.
class Sounds final : public MemoryPart {
 public:
  explicit Sounds(bool apart)
      : MemoryPart({0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 1, 2, 3, 4}), apart_(apart) {}

  int64_t records() const override { return 3; }
  int64_t record_begin(int64_t record) const override {
    return std::vector<int64_t>{0, 4, 5, 14}[static_cast<size_t>(record)];
  }
  bool records_apart() const override { return apart_; }

 private:
  bool apart_;
};

struct Row {
  int64_t number, first, positions;
  bool operator==(const Row&) const = default;
};

// By a model with a window of 6 that finds every symbol as likely as any other.
std::vector<Row> rows(bool apart, int64_t min_context) {
  HandModel tiny;
  tiny.fix_logits({0, 0, 0, 0, 0});
  const Sounds part(apart);
  const auto medium = symbol_medium(HandModel::kVocabulary, {});
  const EvaluationRequest request{
      .name = "valid", .part = part, .medium = *medium, .min_context = min_context};
  Program program = Program::evaluation(tiny.queue, tiny.model, 2);
  SampleScores scores;
  const Evaluation whole = evaluate(
      program, tiny.model, request, [] { return false; }, {},
      [&](const EvaluationWindow& window, const double* losses) {
        scores.add(request, HandModel::kContext, window, losses);
      });
  CHECK(scores.place_nats.empty());
  std::vector<Row> found;
  double nats = 0;
  for (const SampleScore& sample : scores.samples) {
    found.push_back({sample.number, sample.first, sample.positions});
    CHECK(sample.nats ==
          Approx(static_cast<double>(sample.positions) * std::log(5.0)).epsilon(1e-12));
    nats += sample.nats;
  }
  CHECK(nats == Approx(whole.nats).epsilon(1e-12));
  return found;
}

}  // namespace

TEST_CASE("a sample is a record where windows keep to records, and else a window") {
  CHECK(rows(true, 0) == std::vector<Row>{{0, 0, 4}, {1, 4, 1}, {2, 5, 9}});
  CHECK(rows(true, 4) == std::vector<Row>{{0, 0, 4}, {1, 4, 1}, {2, 5, 9}});
  CHECK(rows(false, 0) == std::vector<Row>{{0, 0, 6}, {1, 6, 6}, {2, 12, 2}});
  CHECK(rows(false, 4) ==
        std::vector<Row>{{0, 0, 6}, {1, 6, 2}, {2, 8, 2}, {3, 10, 2}, {4, 12, 2}});
}

TEST_CASE("a position is in the record that begins last before it") {
  const Sounds part(true);
  const std::vector<int64_t> expected{0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2};
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(record_at(part, static_cast<int64_t>(i)) == expected[i]);
  }
}
