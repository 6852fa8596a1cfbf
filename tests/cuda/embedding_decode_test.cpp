// The embedding of one position on the GPU against the CPU in f64.
#include "parity.h"

using namespace parity;

namespace {

// Widths below, at and above the threads of a block (256); no table to three.
const proof::EmbeddingSize kSizes[] = {{1, 1, 7, 5, {}},
                                       {2, 1, 300, 96, {40}},
                                       {3, 1, 256, 256, {4, 9}},
                                       {5, 1, 70000, 17, {2, 3, 5}},
                                       {9, 1, 256, 1000, {10, 3, 2}}};

// The first, neighbours where digits turn over, and one where all tables have wrapped around.
constexpr int64_t kPositions[] = {0, 1, 2, 3, 9, 10, 36, 37, 1234};

}  // namespace

TEST_CASE("Decoding the embedding on the GPU agrees with the specification", "[decode]") {
  for (const DType dtype : kActivationTypes) {
    for (const proof::EmbeddingSize& size : kSizes) {
      for (const int64_t position : kPositions) {
        prove(proof::embedding_decode(size, position), dtype);
      }
    }
  }
}
