#include "lacuna/sparse/pass.h"

#include "../catch.h"

using namespace lacuna::sparse;

TEST_CASE("count_below counts the positions below a length for every shape of order") {
  int64_t wrong = 0;
  int64_t tried = 0;
  for (int64_t offset : {0, 1, 7}) {
    for (int64_t lane_stride : {0, 1, 4}) {
      for (int64_t run : {1, 2, 5}) {
        for (int64_t inner : {1, 3}) {
          for (int64_t gap : {1, 2, 9}) {
            const Order order{.offset = offset,
                              .lane_stride = lane_stride,
                              .run = run,
                              .outer = (run - 1) * inner + gap,
                              .inner = inner};
            for (int64_t lane = 0; lane < 12; ++lane) {
              for (int64_t length = 0; length < 60; ++length, ++tried) {
                int64_t count = 0;
                while (order.position(lane, count) < length) ++count;
                if (order.count_below(lane, length) != count) ++wrong;
              }
            }
          }
        }
      }
    }
  }
  CHECK(tried > 100000);
  CHECK(wrong == 0);
}

TEST_CASE("lane_index_of finds the lane and the index of a position for every shape of order") {
  int64_t wrong = 0;
  int64_t found = 0;
  for (int64_t offset : {0, 1, 7}) {
    for (int64_t lane_stride : {1, 3, 4, 40}) {
      for (int64_t run : {1, 2, 5}) {
        for (int64_t inner : {1, 3, 12}) {
          for (int64_t gap : {1, 2, 9}) {
            for (int64_t lanes : {1, 2, 4}) {
              const Order order{.offset = offset,
                                .lane_stride = lane_stride,
                                .run = run,
                                .outer = (run - 1) * inner + gap,
                                .inner = inner};
              for (int64_t position = 0; position < 120; ++position) {
                // All places, by trying: where lanes share positions any of them is right.
                std::vector<LaneIndex> places;
                for (int64_t lane = 0; lane < lanes; ++lane) {
                  for (int64_t i = 0; order.position(lane, i) <= position; ++i) {
                    if (order.position(lane, i) == position) places.push_back({lane, i});
                  }
                }
                const auto place = order.lane_index_of(position, lanes);
                const bool right =
                    place ? std::find(places.begin(), places.end(), *place) != places.end()
                          : places.empty();
                if (!right) ++wrong;
                if (place) ++found;
              }
            }
          }
        }
      }
    }
  }
  CHECK(found > 10000);
  CHECK(wrong == 0);
}

TEST_CASE("A bound is a staircase with a ramp and starts at zero before its shift") {
  const Bound bound{.shift = -3, .period = 5, .step = 2, .ramp_start = 3, .ramp = 2};
  const int64_t wanted[] = {0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 4};
  for (int64_t i = 0; i < 14; ++i) {
    CAPTURE(i);
    CHECK(bound.value(i) == wanted[i]);
  }
}

TEST_CASE("The pairs of a pass leave out empty intervals and keys that do not exist") {
  // Queries 0..9 read the even positions 0, 2, 4, 6, 8 in [i - 2, i + 1) of the dense keys.
  const Pass pass{.length = 10, .keys = {.outer = 2}, .begin = {.shift = -2}, .end = {.shift = 1}};
  // i: 0 1 2 3 4 -> 1 2 3 3 3; 5 and 6 are cut to [3,5) and [4,5); from 7 on nothing is left.
  CHECK(pass.pairs() == 1 + 2 + 3 + 3 + 3 + 2 + 1);
  CHECK(pass.interval(0, 6).begin == 4);
  CHECK(pass.interval(0, 6).end == 5);
  CHECK(pass.interval(0, 9).begin >= pass.interval(0, 9).end);
}
