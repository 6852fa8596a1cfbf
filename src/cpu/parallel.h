// Threads of a CPU queue. The work items, not the threads, decide the order of every sum, so
// results do not depend on which thread runs what.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

#include "lacuna/tensor/runtime.h"

namespace lacuna::cpu {

/// Elements to read, below which waking another thread takes longer than the work.
inline constexpr int64_t kWorthAThread = 1 << 16;

/// Calls body(item) for every item in [0, items), on the queue's threads. When bodies throw, one of
/// the exceptions is thrown on after all items.
template <class Body>
void parallel_for(const Queue& queue, int64_t items, const Body& body) {
  std::exception_ptr failure;
#pragma omp parallel for num_threads(queue.threads()) schedule(dynamic, 1) if (items > 1)
  for (int64_t item = 0; item < items; ++item) {
    try {
      body(item);
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// Rows of [0, rows) in chunks of a fixed size: body(chunk, begin, end).
template <class Body>
void parallel_chunks(const Queue& queue, int64_t rows, int64_t chunk_rows, const Body& body) {
  parallel_for(queue, (rows + chunk_rows - 1) / chunk_rows, [&](int64_t chunk) {
    body(chunk, chunk * chunk_rows, std::min(rows, (chunk + 1) * chunk_rows));
  });
}

}  // namespace lacuna::cpu
