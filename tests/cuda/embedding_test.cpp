// The GPU's embedding against the CPU in f64.
#include "parity.h"

using namespace parity;

namespace {

// Several digits of the sort (classes above 256, above 65536), few tokens whose runs cross many
// pieces, tables that wrap around, none, and one, some with few rows for many positions.
const proof::EmbeddingSize kSizes[] = {{1, 1, 7, 5, {4}},
                                       {1, 2, 7, 16, {}},
                                       {2, 33, 300, 16, {4, 9}},
                                       {3, 257, 256, 96, {4, 8, 9}},
                                       {5, 255, 70000, 17, {300}},
                                       {2, 255, 256, 2048, {16, 16}},
                                       {4, 1000, 3, 520, {10, 100}},
                                       {4, 1000, 256, 512, {8, 8}, 1},
                                       {2, 31, 5, 1000, {2, 3, 5}},
                                       {3, 1025, 256, 256, {32, 32, 3}},
                                       {1, 2100, 7, 16, {4}},
                                       // More rows than a grid has blocks along y.
                                       {1, 70100, 7, 16, {70001}},
                                       {6, 1600, 9, 72, {2, 5, 3}}};

}  // namespace

TEST_CASE("The GPU's embedding and its gradient agree with the specification", "[embedding]") {
  for (const DType dtype : kActivationTypes) {
    for (const proof::EmbeddingSize& size : kSizes) {
      prove(proof::embedding_forward(size), dtype);
      prove(proof::embedding_backward(size), dtype);
    }
  }
}

// Rows are sorted in rounds, and positions summed for fewer columns than a pack has.
TEST_CASE("The GPU's embedding takes sizes beyond its workspace", "[embedding]") {
  const proof::EmbeddingSize sizes[] = {
      {4, 1000, 3, 520, {10, 100}}, {5, 255, 70000, 17, {300}}, {1, 4000, 7, 16, {4}}};
  const Queue small = cuda::make_queue({.workspace = size_t{40} << 10});
  for (const DType dtype : kActivationTypes) {
    for (const proof::EmbeddingSize& size : sizes) {
      prove(proof::embedding_backward(size), dtype, {.queue = &small});
    }
  }
}
