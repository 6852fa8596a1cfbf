// `lacuna bench sampling`: what a token costs with the cache and without.
#pragma once

#include <cstdint>

#include "lacuna/tensor/runtime.h"

namespace lacuna::cli {

/// Measures and prints a table. `repeats` as for the other benchmarks.
void bench_sampling(const Queue& queue, int64_t repeats);

}  // namespace lacuna::cli
