#include "lacuna/train/share.h"

#include <numeric>
#include <string>
#include <vector>

#include "catch.h"
#include "expect_error.h"

using namespace lacuna;
using namespace lacuna::train;

namespace {

Share shared(int64_t batch, int64_t accumulation, int rank, int size) {
  Options options;
  options.train.batch = batch;
  options.train.accumulation = accumulation;
  return share_of(options, {.rank = rank, .size = size});
}

}  // namespace

TEST_CASE("ranks divide the accumulation first, then the batch") {
  const Share alone = shared(8, 4, 0, 1);
  CHECK(alone.batch == 8);
  CHECK(alone.micro_batches == 4);
  CHECK(alone.first == 0);
  const Share of_four = shared(8, 4, 3, 4);
  CHECK(of_four.batch == 8);
  CHECK(of_four.micro_batches == 1);
  CHECK(of_four.first == 24);
  const Share of_eight = shared(8, 4, 5, 8);
  CHECK(of_eight.batch == 4);
  CHECK(of_eight.micro_batches == 1);
  CHECK(of_eight.first == 20);
  const Share of_six = shared(6, 4, 1, 6);  // 2 of the 6 divide the accumulation, 3 the batch
  CHECK(of_six.batch == 2);
  CHECK(of_six.micro_batches == 2);
  CHECK(of_six.first == 4);
}

TEST_CASE("the shares of all ranks are the samples of a step, each once") {
  for (int64_t batch = 1; batch <= 12; ++batch) {
    for (int64_t accumulation = 1; accumulation <= 6; ++accumulation) {
      for (int size = 1; size <= 24; ++size) {
        std::vector<int> taken(static_cast<size_t>(batch * accumulation));
        try {
          for (int rank = 0; rank < size; ++rank) {
            const Share share = shared(batch, accumulation, rank, size);
            for (int64_t i = 0; i < share.batch * share.micro_batches; ++i) {
              ++taken.at(static_cast<size_t>(share.first + i));
            }
          }
        } catch (const Error&) {
          CHECK(batch % (size / std::gcd<int64_t>(size, accumulation)) != 0);
          continue;
        }
        CHECK(taken == std::vector<int>(taken.size(), 1));
      }
    }
  }
}

TEST_CASE("what does not come out even is refused with the nearest numbers that do") {
  const auto refused = [](const std::string& text, int64_t batch, int64_t accumulation, int size) {
    expect_error(ErrorKind::kConfig, text, [&] { shared(batch, accumulation, 0, size); });
  };
  refused("3 processes cannot share a step of 1 micro-batches of 4 samples", 4, 1, 3);
  refused("Start 2 or 4 processes, or set train.batch to 3 or 6", 4, 1, 3);
  refused("Start 1 processes, or set train.batch to 2", 1, 1, 2);
}
