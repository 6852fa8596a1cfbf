// The embedding of one position on the GPU against the CPU in f64.
#include "lacuna/kernels/embedding_decode.h"

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t batch, classes, width;
  std::vector<int64_t> tables;
};

// Widths below, at and above the threads of a block (256); no table to three.
const Size kSizes[] = {{1, 7, 5, {}},
                       {2, 300, 96, {40}},
                       {3, 256, 256, {4, 9}},
                       {5, 70000, 17, {2, 3, 5}},
                       {9, 256, 1000, {10, 3, 2}}};

// The first, neighbours where digits turn over, and one where all tables have wrapped around.
constexpr int64_t kPositions[] = {0, 1, 2, 3, 9, 10, 36, 37, 1234};

void check(const Size& size, DType dtype, Random& random) {
  const Both token = random_both(random, {size.classes, size.width}, DType::kF32);
  const Both start = random_both(random, {size.width}, DType::kF32);
  std::vector<Both> tables;
  PositionTables exact, gpu;
  for (const int64_t rows : size.tables) {
    const size_t k = tables.size();
    tables.push_back(random_both(random, {rows, size.width}, DType::kF32));
    exact[k] = tables[k].exact;
    gpu[k] = tables[k].gpu;
  }
  const Tensor memory = gpu_queue().zeros({int64_t{sizeof(DecodeState)}}, DType::kU8);
  for (const int64_t position : kPositions) {
    CAPTURE(position);
    const DecodeState state{position};
    gpu_queue().upload(memory, &state);
    const Both tokens = tokens_both(random, {size.batch, 1}, size.classes);
    if (position == 0) gpu_queue().fill(tokens.gpu, 0x80);  // far from any row: must not be read
    const Shape shape{size.batch, 1, size.width};
    const Tensor y = Tensor::zeros(shape, DType::kF64);
    GuardedGpu y_gpu(shape, dtype);
    run(cpu::Backend{}, cpu_queue(),
        EmbeddingDecode{tokens.exact, token.exact, start.exact, y, exact, &state});
    run(cuda::Backend{}, gpu_queue(),
        EmbeddingDecode{tokens.gpu, token.gpu, start.gpu, y_gpu, gpu,
                        static_cast<const DecodeState*>(memory.view().raw())});
    CHECK(relative_error(y_gpu.values(), elements<double>(y)) <= stored_tolerance(dtype));
    CHECK(y_gpu.intact());
  }
}

}  // namespace

TEST_CASE("Decoding the embedding on the GPU agrees with the specification", "[decode]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      CAPTURE(name_of(dtype), size.batch, size.classes, size.width, size.tables);
      check(size, dtype, random);
    }
  }
}
