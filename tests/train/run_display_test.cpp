#include "lacuna/train/run_display.h"

#include "../../src/train/run_progress.h"
#include "../catch.h"
#include "lacuna/train/smoothed_loss.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

DisplayLine full() {
  return {.step = 12,
          .total = 100,
          .doing = "45% done",
          .place = "micro-batch 3/8, backward, layer 5/12",
          .bits = 1.23456,
          .unit = "bits per byte",
          .tokens_per_second = 12345,
          .seconds_left = 65,
          .share_of_peak = 0.456,
          .memory = size_t{9} << 29};
}

constexpr size_t kWide = 1000;

}  // namespace

TEST_CASE("a line shows all that is known, with labels") {
  CHECK(text_of(full(), kWide) ==
        "step 12/100  45% done  micro-batch 3/8, backward, layer 5/12  loss 1.2346 bits per byte  "
        "12,345 tokens/s  ETA 1:05  46% of peak  4.5 GiB planned");
  CHECK(text_of({.step = 0, .total = 100}, kWide) == "step 0/100");
  CHECK(text_of({.doing = "evaluation 3/8", .seconds_left = 5}, kWide) ==
        "evaluation 3/8  ETA 0:05");
}

TEST_CASE("a line that is too wide loses its least important fields first") {
  const std::string whole = text_of(full(), kWide);
  CHECK(text_of(full(), whole.size()) == whole);
  const char* without[] = {"planned", "of peak", "micro-batch", "tokens/s",
                           "loss",    "ETA",     "done",        "step"};
  std::string line = whole;
  for (const char* next : without) {
    INFO(next);
    CHECK(line.find(next) != std::string::npos);
    line = text_of(full(), line.size() - 1);
    if (std::string(next) != "step") CHECK(line.find(next) == std::string::npos);
  }
  CHECK(line == "step 12/10");  // not even the step fits
  for (size_t columns = 1; columns < whole.size(); ++columns) {
    CHECK(text_of(full(), columns).size() <= columns);
  }
}

TEST_CASE("the share of a step that is done grows from each place to the next") {
  constexpr int64_t kLayers = 3, kMicroBatches = 2;
  double before = -1;
  const auto grows_to = [&](StepPart part, int32_t layer, int32_t micro_batch) {
    const double share =
        share_done({.step = 1, .part = part, .layer = layer, .micro_batch = micro_batch}, kLayers,
                   kMicroBatches);
    CHECK(share > before);
    before = share;
    return share;
  };
  CHECK(grows_to(StepPart::kForward, 1, 1) == 0);
  grows_to(StepPart::kForward, 2, 1);
  grows_to(StepPart::kForward, 3, 1);
  CHECK(grows_to(StepPart::kBackward, 3, 1) == Approx(0.5 / 3));
  grows_to(StepPart::kBackward, 2, 1);
  grows_to(StepPart::kBackward, 1, 1);
  CHECK(grows_to(StepPart::kForward, 1, 2) == 0.5);
  grows_to(StepPart::kBackward, 1, 2);
  CHECK(grows_to(StepPart::kUpdate, 0, 2) == 1);
}

TEST_CASE("the smoothed loss is a weighted mean from the first loss on") {
  SmoothedLoss loss;
  CHECK_FALSE(loss.value().has_value());
  loss.add(8);
  CHECK(*loss.value() == Approx(8));
  loss.add(std::nan(""));
  CHECK(*loss.value() == Approx(8));
  loss.add(4);
  CHECK(*loss.value() == Approx((0.95 * 8 + 4) / (0.95 + 1)));
  for (int i = 0; i < 1000; ++i) loss.add(2);
  CHECK(*loss.value() == Approx(2));
}
