#include "../catch.h"
#include "cover.h"

using namespace lacuna;
using namespace lacuna::sparse;

TEST_CASE("Head h takes entry h mod n") {
  const PatternPtr shared = parse_pattern("local(4) | column(4) | dense()");
  CHECK(shared->text() == "local(4) | column(4) | dense()");
  for (int64_t head = 0; head < 9; ++head) {
    for (int64_t i = 0; i < 30; ++i) {
      CAPTURE(head, i);
      const Keys wanted[] = {window_keys(i, 4), column_keys(i, 4), dense_keys(i)};
      CHECK(attended_keys(*shared, head, i, 30) == wanted[head % 3]);
    }
    for (int64_t length : {1, 4, 29}) CHECK(cover_fault(*shared, head, length) == "");
  }
}

TEST_CASE("Sub-blocks are spread evenly over the heads of their own entry") {
  // With h mod n of the layer's heads, entry 0 would get the even heads and only two sub-blocks.
  const PatternPtr shared = parse_pattern("fixed(8, 2, 4) | summary(6, 2, 3)");
  for (int64_t head = 0; head < 16; ++head) {
    for (int64_t i = 0; i < 40; ++i) {
      CAPTURE(head, i);
      const int64_t inner = head / 2;
      CHECK(attended_keys(*shared, head, i, 40) ==
            (head % 2 == 0 ? both(block_keys(i, 8), summary_keys(i, 8, 2, inner % 4))
                           : summary_keys(i, 6, 2, inner % 3)));
    }
    for (int64_t length : {1, 7, 8, 41}) CHECK(cover_fault(*shared, head, length) == "");
  }
}

TEST_CASE("Merges can be shared out") {
  const PatternPtr shared = parse_pattern("local(3)+column(5) | block(6)+summary(6,2)");
  CHECK(shared->text() == "local(3) + column(5) | block(6) + summary(6, 2)");
  for (int64_t head = 0; head < 4; ++head) {
    for (int64_t length : {1, 6, 37}) CHECK(cover_fault(*shared, head, length) == "");
  }
}
