// How far results are from what is wanted.
#pragma once

#include <cstring>
#include <vector>

#include "lacuna/proof/tolerance.h"

using lacuna::proof::relative_error;

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
