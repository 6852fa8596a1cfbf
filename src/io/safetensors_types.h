// What writer and reader of safetensors both know about dtypes and sizes; private to io.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lacuna {

inline constexpr const char* kMetadataKey = "__metadata__";
inline constexpr uint64_t kLargestHeader = 100'000'000;  // as in the reference implementation

/// Bytes of one element; empty for a dtype that lacuna does not use.
inline std::optional<int64_t> item_size(std::string_view dtype) {
  struct ItemSize {
    std::string_view dtype;
    int64_t bytes;
  };
  constexpr ItemSize kSizes[] = {{"F64", 8},  {"F32", 4}, {"F16", 2},
                                 {"BF16", 2}, {"I32", 4}, {"U8", 1}};
  for (const ItemSize& item : kSizes) {
    if (dtype == item.dtype) return item.bytes;
  }
  return std::nullopt;
}

/// Bytes of an array; empty when a dimension is negative or the product overflows. A later zero
/// does not excuse an overflow: other readers multiply from the left too.
inline std::optional<int64_t> array_size(const std::vector<int64_t>& shape, int64_t item_bytes) {
  int64_t bytes = item_bytes;
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

}  // namespace lacuna
