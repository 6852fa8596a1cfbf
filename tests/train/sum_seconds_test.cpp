// The model of docs/distributed.md: its table, and what options change.
#include "lacuna/train/sum_seconds.h"

#include "../catch.h"

using namespace lacuna::train;

namespace {

constexpr int64_t kEnwik8 = 94949888, kImagenet64 = 151645184, kCifar10 = 59196928;

double added_ms(int64_t weights, int64_t gpus) {
  return 1e3 * sum_seconds({}, weights, gpus);
}

}  // namespace

TEST_CASE("sums over GPUs and hosts take what the table of the model says") {
  struct Row {
    int64_t gpus;
    double enwik8, imagenet64, cifar10;
  };
  for (const Row& row : {Row{1, 0, 0, 0}, Row{2, 1.40, 2.14, 0.93}, Row{4, 2.02, 3.13, 1.31},
                         Row{8, 2.33, 3.63, 1.51}, Row{16, 3.34, 5.21, 2.16},
                         Row{64, 4.17, 6.46, 2.72}, Row{512, 4.56, 6.98, 3.03}}) {
    CAPTURE(row.gpus);
    CHECK(added_ms(kEnwik8, row.gpus) == Approx(row.enwik8).margin(0.0051));
    CHECK(added_ms(kImagenet64, row.gpus) == Approx(row.imagenet64).margin(0.0051));
    CHECK(added_ms(kCifar10, row.gpus) == Approx(row.cifar10).margin(0.0051));
  }
}

TEST_CASE("sums in bf16 send half, and an optimizer in parts begins two more calls") {
  Options options;
  const double bytes = 4.0 * kEnwik8, whole = sum_seconds(options, kEnwik8, 2);
  options.dist.shard = "optimizer";
  CHECK(sum_seconds(options, kEnwik8, 2) - whole == Approx(2 * kLinks.call));
  options.dist.reduce = "bf16";  // of gradients, not of the weights that are gathered
  const double rounding = 3 * bytes / kLinks.rounding;
  CHECK(whole + 2 * kLinks.call - sum_seconds(options, kEnwik8, 2) ==
        Approx(0.25 * bytes / kLinks.within_host - rounding));
  options.dist.shard = "nothing";
  CHECK(whole - sum_seconds(options, kEnwik8, 2) ==
        Approx(0.5 * bytes / kLinks.within_host - rounding));
}
