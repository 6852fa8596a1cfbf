// Texts of manifests and states that the binary cannot be made to meet, because their checksums
// fit.
#include "../../src/train/manifest.h"

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

TrainingState sample_state() {
  return {.step = 30, .updates = 28, .best_bits = 2.5, .since_best = 1, .data = "1234:56"};
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

void expect_damaged(const std::string& text, const std::string& fragment) {
  expect_error(ErrorKind::kData, fragment, [&] { parse_state(text, "state.json"); });
}

}  // namespace

TEST_CASE("a state comes back from its text") {
  const TrainingState state = parse_state(state_text(sample_state()), "state.json");
  CHECK(state.step == 30);
  CHECK(state.updates == 28);
  CHECK(state.best_bits == 2.5);
  CHECK(state.since_best == 1);
  CHECK_FALSE(state.evaluation_due);
  CHECK(state.data == "1234:56");
}

TEST_CASE("a state of another version or with values that are none is refused") {
  const std::string good = state_text(sample_state());
  expect_error(ErrorKind::kConfig, "is of version 2",
               [&] { parse_state(with(good, "\"version\": 1", "\"version\": 2"), "state.json"); });
  expect_damaged(with(good, "\"step\": 30", "\"step\": -30"), "'step' is no count");
  expect_damaged(with(good, "\"step\": 30", "\"step\": 1e+300"), "'step' is no count");
  expect_damaged(with(good, "\"step\": 30", "\"step\": 18446744073709551615"), "'step'");
  expect_damaged(with(good, "\"updates\": 28", "\"updates\": null"), "'updates' is no count");
  expect_damaged(with(good, "2.5", "\"2.5\""), "is damaged");
  expect_damaged(with(good, "false", "0"), "is damaged");
  expect_damaged(with(good, "\"step\"", "\"stop\""), "key 'step' not found");
  expect_damaged(with(good, ",\n", ",\n\n"), "not the JSON that lacuna writes");
}
