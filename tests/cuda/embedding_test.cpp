// The GPU's embedding against the CPU in f64.
#include "lacuna/kernels/embedding.h"

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
#include "parity.h"

using namespace parity;

namespace {

struct Size {
  int64_t batch, length, classes, width;
  std::vector<int64_t> tables;
  int64_t drawn = 0;  // tokens below this; 0: all classes
};

// Several digits of the sort (classes above 256, above 65536), few tokens whose runs cross many
// pieces, tables that wrap around, none, and one, some with few rows for many positions.
const Size kSizes[] = {{1, 1, 7, 5, {4}},
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
                       {1, 70100, 7, 16, {70001}},  // more rows than a grid has blocks along y
                       {6, 1600, 9, 72, {2, 5, 3}}};

/// Outputs of the backward pass, in the order token, start, positions.
template <class Memory>
std::vector<Memory> starts(const std::vector<Tensor>& from) {
  std::vector<Memory> made;
  for (const Tensor& start : from) made.emplace_back(start.view());
  return made;
}

struct Tables {
  std::vector<Both> both;
  PositionTables exact, gpu;
};

Tables draw_tables(const Size& size, Random& random) {
  Tables tables;
  for (const int64_t rows : size.tables) {
    tables.both.push_back(random_both(random, {rows, size.width}, DType::kF32));
  }
  for (size_t k = 0; k < tables.both.size(); ++k) {
    tables.exact[k] = tables.both[k].exact;
    tables.gpu[k] = tables.both[k].gpu;
  }
  return tables;
}

void check_forward(const Size& size, DType dtype, const Both& tokens, Random& random) {
  const Shape shape{size.batch, size.length, size.width};
  const Both token = random_both(random, {size.classes, size.width}, DType::kF32);
  const Both start = random_both(random, {size.width}, DType::kF32);
  const Tables tables = draw_tables(size, random);
  const Tensor y = Tensor::zeros(shape, DType::kF64);
  GuardedGpu y_gpu(shape, dtype);
  run(cpu::Backend{}, cpu_queue(),
      EmbeddingForward{tokens.exact, token.exact, start.exact, y, tables.exact});
  run(cuda::Backend{}, gpu_queue(),
      EmbeddingForward{tokens.gpu, token.gpu, start.gpu, y_gpu, tables.gpu});
  CHECK(relative_error(y_gpu.values(), elements<double>(y)) <= stored_tolerance(dtype));
  CHECK(y_gpu.intact());
}

void check_backward(const Size& size, DType dtype, const Both& tokens, Random& random) {
  const Both dy = random_both(random, {size.batch, size.length, size.width}, dtype);
  std::vector<Tensor> begin;
  const auto add = [&](const Shape& shape) {
    begin.push_back(rounded(random.tensor<double>(shape), DType::kF32));
  };
  add({size.classes, size.width});
  add({size.width});
  for (const int64_t rows : size.tables) add({rows, size.width});

  std::vector<Tensor> wanted;
  for (const Tensor& start : begin) wanted.push_back(widened(start));
  const auto op = [&](const View& indices, const View& gradient, const auto& outputs) {
    EmbeddingBackward made{indices, gradient, outputs[0], outputs[1], {}};
    for (size_t k = 2; k < outputs.size(); ++k) made.dposition[k - 2] = outputs[k];
    return made;
  };
  run(cpu::Backend{}, cpu_queue(), op(tokens.exact, dy.exact, wanted));
  const auto got = starts<GuardedGpu>(begin), again = starts<GuardedGpu>(begin);
  run(cuda::Backend{}, gpu_queue(), op(tokens.gpu, dy.gpu, got));
  run(cuda::Backend{}, gpu_queue(), op(tokens.gpu, dy.gpu, again));
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(got[i].values(), elements<double>(wanted[i])) <= kToleranceSums);
    CHECK(got[i].intact());
    CHECK(same_bits(got[i].bits(), again[i].bits()));
  }
}

}  // namespace

TEST_CASE("The GPU's embedding and its gradient agree with the specification", "[embedding]") {
  Random random(std::random_device{}());
  for (const DType dtype : kActivationTypes) {
    for (const Size& size : kSizes) {
      CAPTURE(name_of(dtype), size.batch, size.length, size.classes, size.width);
      const Both tokens = tokens_both(random, {size.batch, size.length},
                                      size.drawn > 0 ? size.drawn : size.classes);
      check_forward(size, dtype, tokens, random);
      check_backward(size, dtype, tokens, random);
    }
  }
}
