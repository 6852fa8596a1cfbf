#include "lacuna/tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "lacuna/base/error.h"
#include "lacuna/base/resources.h"
#include "lacuna/base/text.h"

namespace lacuna {

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  constexpr std::align_val_t kCacheLine{64};
  const size_t bytes = static_cast<size_t>(shape.count()) * size_of(dtype);
  void* memory = ::operator new(std::max<size_t>(bytes, 1), kCacheLine, std::nothrow);
  if (memory == nullptr) {
    throw Error(ErrorKind::kConfig, "memory",
                str(human_bytes(bytes), " more are wanted; the process can get ",
                    human_bytes(free_memory())));
  }
  std::memset(memory, 0, bytes);
  const std::shared_ptr<const void> owner(
      memory, [](const void* held) { ::operator delete(const_cast<void*>(held), kCacheLine); });
  return {View(memory, dtype, shape), owner};
}

}  // namespace lacuna
