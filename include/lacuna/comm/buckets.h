// Where a flat buffer of gradients, which become final from its beginning on, is cut into buckets
// that are added over the ranks as soon as they are final.
#pragma once

#include <cstdint>

namespace lacuna {

/// Sizes in elements. The first bucket is small, so that adding begins early; later ones are as
/// large as it takes for the speed of long messages.
struct BucketSizes {
  int64_t first = 0, others = 0;
};

/// Decides how much to add now. A pure function but for what has been added.
class Buckets {
 public:
  /// Of `count` elements in all.
  Buckets(int64_t count, const BucketSizes& sizes) : count_(count), sizes_(sizes) {}

  struct Range {
    int64_t begin = 0, count = 0;
  };
  /// Elements [0, final) are final: the next bucket; empty while too few are. The last one takes
  /// whatever is left.
  Range next(int64_t final) {
    const int64_t ready = final - added_, least = added_ == 0 ? sizes_.first : sizes_.others;
    if (ready <= 0 || (ready < least && final < count_)) return {added_, 0};
    const Range range{added_, ready};
    added_ = final;
    return range;
  }
  /// Begins again, with the next step.
  void restart() { added_ = 0; }

 private:
  int64_t count_;
  BucketSizes sizes_;
  int64_t added_ = 0;
};

}  // namespace lacuna
