#include "lacuna/train/length.h"

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;
using train::parse_length;

namespace {

// 4 sequences of 256 a step, 1000 windows in the training part.
constexpr train::StepSize kStep{.tokens = 1024, .samples = 4, .samples_per_epoch = 1000};

int64_t steps_of(const std::string& text) {
  return parse_length(text, kStep, "train.length");
}

}  // namespace

TEST_CASE("a length in steps is taken as it stands") {
  CHECK(steps_of("300 steps") == 300);
  CHECK(steps_of("1 step") == 1);
  CHECK(steps_of("0 steps") == 0);
  CHECK(steps_of("5k steps") == 5000);
  CHECK(steps_of("1.5M steps") == 1'500'000);
  CHECK(steps_of("7\t  steps ") == 7);
}

TEST_CASE("a length in tokens is rounded up to whole steps") {
  CHECK(steps_of("0 tokens") == 0);
  CHECK(steps_of("1 tokens") == 1);
  CHECK(steps_of("1024 tokens") == 1);
  CHECK(steps_of("1025 tokens") == 2);
  CHECK(steps_of("50M tokens") == 48829);  // 48828.125
}

TEST_CASE("a length in epochs counts the windows of the training part") {
  CHECK(steps_of("1 epoch") == 250);
  CHECK(steps_of("2 epochs") == 500);
  CHECK(steps_of("0.5 epochs") == 125);
  CHECK(steps_of("0.001 epochs") == 1);
  CHECK(steps_of("1.001 epochs") == 251);
  CHECK(steps_of("0 epochs") == 0);
}

TEST_CASE("rounding of a decimal number of epochs costs no step") {
  // 0.07 * 100 is 7.000000000000001 in binary.
  const train::StepSize step{.tokens = 8, .samples = 1, .samples_per_epoch = 100};
  for (int64_t hundredths = 1; hundredths < 300; ++hundredths) {
    std::string text = std::to_string(hundredths / 100) + '.';
    text += hundredths % 100 < 10 ? "0" : "";
    text += std::to_string(hundredths % 100) + " epochs";
    INFO(text);
    CHECK(parse_length(text, step, "train.length") == hundredths);
  }
}

TEST_CASE("what is no length is refused under the option's name") {
  for (const char* text : {"",           " ",         "300",        "steps",      "3steps",
                           "3 stepps",   "3 steps 4", "x steps",    "-1 steps",   "1.5 steps",
                           "3 Steps",    "-1 tokens", "1.5 tokens", "M tokens",   "-1 epochs",
                           "x epochs",   "1x epochs", "nan epochs", "inf epochs", "1e400 epochs",
                           "0x2 epochs", "3 parsecs"}) {
    INFO(text);
    expect_error(ErrorKind::kConfig, "optim.warmup: '" + std::string(text) + "' is not a length",
                 [&] { parse_length(text, kStep, "optim.warmup"); });
  }
}
