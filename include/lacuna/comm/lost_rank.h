// A rank is gone, told from mistakes of the program.
#pragma once

#include "lacuna/base/error.h"

namespace lacuna {

/// An Error(kInternal): whatever is asked of the group from now on fails alike. `who` is the whole
/// story, such as "rank 1 is lost: its connection has closed".
class LostRank : public Error {
 public:
  LostRank(const std::string& place, const std::string& who)
      : Error(ErrorKind::kInternal, place, who) {}
};

}  // namespace lacuna
