// What changes from one decoded position to the next. It lies in the memory of the queue's device,
// and contracts point to it, so no contract field ever changes.
#pragma once

#include <cstdint>

namespace lacuna {

struct DecodeState {
  int64_t position = 0;  // that is decoded now, the same for all sequences of the batch
};

}  // namespace lacuna
