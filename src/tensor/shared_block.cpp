#include "lacuna/tensor/shared_block.h"

#include <algorithm>

#include "lacuna/base/error.h"

namespace lacuna {

void SharedBlock::reserve(size_t bytes) {
  require(!taken() || bytes <= bytes_, "SharedBlock::reserve",
          "the memory has been taken already, with fewer bytes");
  bytes_ = std::max(bytes_, bytes);
}

uint8_t* SharedBlock::data() {
  if (!taken()) {
    memory_ = queue_.zeros({static_cast<int64_t>(bytes_)}, DType::kU8);
    queue_.fill(memory_, 0xFF);
  }
  return memory_.view().data<uint8_t>();
}

}  // namespace lacuna
