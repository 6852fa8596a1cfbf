// How large messages between ranks may be.
#pragma once

#include <cstddef>

namespace lacuna::comm {

inline constexpr size_t kLargestText = size_t{16} << 20;           // bytes of what one rank says
inline constexpr size_t kLargestSaid = kLargestText + (64 << 10);  // with the name and the sizes

}  // namespace lacuna::comm
