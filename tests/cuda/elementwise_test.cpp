// The GPU's flat ops: conversions and additions bit for bit as on the CPU, the norm in f64.
#include "lacuna/kernels/elementwise.h"

#include "../random_tensor.h"
#include "parity.h"

using namespace parity;

namespace {

constexpr int64_t kCounts[] = {1, 31, 33, 255, 257, 4096, 100003};
constexpr DType kStored[] = {DType::kF64, DType::kF32, DType::kBF16, DType::kF16};

/// Numbers of all sizes that f16 and bf16 know: ordinary, tiny (subnormal), too large, zeros.
Tensor wide_range(Random& random, int64_t count) {
  Tensor made = random.tensor<double>({count});
  double* values = made.view().data<double>();
  for (int64_t i = 0; i < count; ++i) {
    if (i % 3 == 1) values[i] = std::ldexp(values[i], static_cast<int>(random.below(60)) - 30);
    if (i % 50 == 7) values[i] = std::ldexp(values[i], 200);
    if (i % 50 == 8) values[i] = -0.0;
  }
  return made;
}

}  // namespace

TEST_CASE("Convert on the GPU gives the bits of the CPU", "[elementwise]") {
  Random random(1);
  for (const DType from : kStored) {
    for (const DType to : kStored) {
      for (const int64_t n : kCounts) {
        for (const char* shifted : {"", "*"}) {
          CAPTURE(name_of(from), name_of(to), n, shifted);
          const Tensor x = converted(wide_range(random, n), from);
          Side read(gpu_queue(), from, 0, shifted), written(gpu_queue(), to, 0, shifted);
          const Convert op{.x = read.space("x", {n}), .y = written.space("y", {n})};
          gpu_queue().upload(op.x, x.view().raw());
          launch(gpu_queue(), op);
          CHECK(same_bits(written.bits("y"), bytes_of(converted(x, to))));
          CHECK((read.intact() && written.intact()));
        }
      }
    }
  }
}

TEST_CASE("Convert on the GPU keeps NaN and infinities", "[elementwise]") {
  const Tensor x = Tensor::zeros({3}, DType::kF32);
  x.view().data<float>()[0] = NAN;
  x.view().data<float>()[1] = INFINITY;
  x.view().data<float>()[2] = -INFINITY;
  const Tensor on_gpu = gpu_queue().zeros({3}, DType::kF32);
  gpu_queue().upload(on_gpu, x.view().raw());
  for (const DType to : kStored) {
    const Tensor y = gpu_queue().zeros({3}, to);
    launch(gpu_queue(), Convert{.x = on_gpu, .y = y});
    const auto values = elements<double>(widened(gpu_queue().to_host(y)));
    CHECK(std::isnan(values[0]));
    CHECK(values[1] == INFINITY);
    CHECK(values[2] == -INFINITY);
  }
}

TEST_CASE("Accumulate on the GPU gives the bits of the CPU, Zero gives zeros", "[elementwise]") {
  uint64_t seed = 2;
  for (const DType dtype : kStored) {
    for (const int64_t n : kCounts) {
      for (const char* shifted : {"", "*"}) {
        CAPTURE(name_of(dtype), n, shifted);
        Side side(gpu_queue(), dtype, seed++, shifted);
        const Accumulate op{.x = side.input("x", {n}),
                            .y = side.updated("y", {n}, proof::kExact, proof::Holds::kActivations)};
        const Tensor more = converted(gpu_queue().to_host(op.x), wide(dtype));
        const Tensor wide_sum = converted(gpu_queue().to_host(op.y), wide(dtype));
        launch(gpu_queue(), op);
        launch(cpu_queue(), Accumulate{.x = more, .y = wide_sum});
        CHECK(same_bits(side.bits("y"), bytes_of(converted(wide_sum, dtype))));
        CHECK(side.intact());
        launch(gpu_queue(), Zero{.y = op.y});
        CHECK(side.values("y") == std::vector<double>(static_cast<size_t>(n), 0.0));
        CHECK(side.intact());
      }
    }
  }
}

TEST_CASE("SquaredNorm on the GPU is a sum in f64, the same bits in every run", "[elementwise]") {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const int64_t n : {1, 31, 33, 255, 257, 4096, 1048577, 5000003}) {
      prove(proof::squared_norm(n), dtype);
    }
  }
}
