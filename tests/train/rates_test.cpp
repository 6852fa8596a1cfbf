#include "lacuna/train/rates.h"

#include <cmath>

#include "../catch.h"
#include "../expect_error.h"
#include "lacuna/train/step_seconds.h"

using namespace lacuna;
using namespace lacuna::train;

// docs/results/steps.csv; nothing else tells how good the table of an H200 is without one.
TEST_CASE("The table of an H200 gives the times of the steps that were measured on one",
          "[seconds]") {
  struct Measured {
    const char* name;
    nn::ModelConfig config;
    int64_t batch;
    double ms;
  };
  const Measured cases[] = {
      {"enwik8",
       {.layers = 30, .heads = 8, .width = 512, .context = 12288, .attention = {"fixed(128, 32)"}},
       8,
       286},
      {"imagenet64",
       {.layers = 48,
        .heads = 16,
        .width = 512,
        .context = 12288,
        .attention = {"local(128)", "column(128)", "local(128)", "local(128)"}},
       4,
       130.29},
      {"cifar10",
       {.layers = 128,
        .heads = 2,
        .width = 256,
        .qk_width = 128,
        .feedforward_width = 512,
        .context = 3072,
        .attention = {"column(96)", "local(96)", "local(96)", "local(96)"}},
       16,
       91.83}};
  for (const Measured& measured : cases) {
    const StepSeconds seconds =
        estimate_step(measured.config.resolved(), measured.batch, DType::kBF16,
                      known_rates("h200", DType::kBF16), false);
    CAPTURE(measured.name, 1e3 * seconds.whole());
    CHECK(std::abs(1e3 * seconds.whole() / measured.ms - 1) < 0.05);
  }
}

TEST_CASE("Rates of products lie between those of their neighbours", "[seconds]") {
  const Rates rates{{"product forward 256", {.per_second = 100}},
                    {"product forward 1024", {.per_second = 400}},
                    {"attention forward 32", {.per_second = 3, .beside = 7}},
                    {"attention forward 128", {.per_second = 5, .beside = 9}}};
  CHECK(rate_of_width(rates, "product forward", 256).per_second == 100);
  CHECK(rate_of_width(rates, "product forward", 512).per_second == Approx(200));
  CHECK(rate_of_width(rates, "product forward", 128).per_second == Approx(50));
  CHECK(rate_of_width(rates, "product forward", 9999).per_second == 400);
  CHECK(rate_of_width(rates, "attention forward", 48).beside == 7);
  CHECK(rate_of_width(rates, "attention forward", 96).beside == 9);
  CHECK(rate_of_width(rates, "attention forward", 4).beside == 7);
  expect_error(ErrorKind::kInternal, "row",
               [&] { (void)rate_of_width(rates, "attention backward", 4); });
  expect_error(ErrorKind::kUsage, "h200", [] { (void)known_gpu("h20"); });
}

TEST_CASE("A table says whether anything of it was measured", "[seconds]") {
  CHECK(rates_are_measured("h200", DType::kBF16));
  CHECK(rates_are_measured("h200", DType::kF16));
  CHECK_FALSE(rates_are_measured("h200", DType::kF32));
}
