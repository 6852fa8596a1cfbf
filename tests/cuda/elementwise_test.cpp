// The GPU's flat ops: conversions and additions bit for bit as on the CPU, the norm in f64.
#include "lacuna/kernels/elementwise.h"

#include "../catch.h"
#include "../compare.h"
#include "layer_tolerances.h"
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

/// From element `first` of its memory on, so that with 1 nothing is aligned.
View tail(const View& view, int64_t first) {
  return view.slice(0, first, view.size(0) - first);
}

std::vector<uint8_t> bytes_of(const View& host) {
  const auto* bytes = static_cast<const uint8_t*>(host.raw());
  return {bytes, bytes + host.bytes()};
}

}  // namespace

TEST_CASE("Convert on the GPU gives the bits of the CPU", "[elementwise]") {
  Random random(1);
  for (const DType from : kStored) {
    for (const DType to : kStored) {
      for (const int64_t n : kCounts) {
        for (const int64_t first : {0, 1}) {
          CAPTURE(name_of(from), name_of(to), n, first);
          const Tensor x = rounded(wide_range(random, n + first), from);
          const Tensor on_gpu = gpu_queue().zeros({n + first}, from);
          gpu_queue().upload(on_gpu, x.view().raw());
          GuardedGpu y({n + first}, to);
          run(cuda::Backend{}, gpu_queue(), Convert{.x = tail(on_gpu, first), .y = tail(y, first)});
          Tensor wanted = rounded(x, to);
          std::memset(wanted.view().raw(), 0xFF, size_of(to) * static_cast<size_t>(first));
          CHECK(same_bits(y.bits(), bytes_of(wanted)));
          CHECK(y.intact());
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
    GuardedGpu y({3}, to);
    run(cuda::Backend{}, gpu_queue(), Convert{.x = on_gpu, .y = y});
    const std::vector<double> values = y.values();
    CHECK(std::isnan(values[0]));
    CHECK(values[1] == INFINITY);
    CHECK(values[2] == -INFINITY);
  }
}

TEST_CASE("Accumulate on the GPU gives the bits of the CPU, Zero gives zeros", "[elementwise]") {
  Random random(2);
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16, DType::kF16}) {
    for (const int64_t n : kCounts) {
      for (const int64_t first : {0, 1}) {
        CAPTURE(name_of(dtype), n, first);
        const Both x = random_both(random, {n + first}, dtype);
        const Tensor start = rounded(random.tensor<double>({n + first}), dtype);
        GuardedGpu y(start);
        const Tensor wide_sum = rounded(start, wide(dtype)), more = rounded(x.exact, wide(dtype));
        run(cuda::Backend{}, gpu_queue(), Accumulate{.x = tail(x.gpu, first), .y = tail(y, first)});
        run(cpu::Backend{}, cpu_queue(),
            Accumulate{.x = tail(more, first), .y = tail(wide_sum, first)});
        const Tensor wanted = rounded(wide_sum, dtype);
        CHECK(same_bits(y.bits(), bytes_of(wanted)));
        CHECK(y.intact());
        run(cuda::Backend{}, gpu_queue(), Zero{.y = y});
        CHECK(y.values() == std::vector<double>(static_cast<size_t>(n + first), 0.0));
        CHECK(y.intact());
      }
    }
  }
}

TEST_CASE("SquaredNorm on the GPU is a sum in f64, the same bits in every run", "[elementwise]") {
  Random random(3);
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const int64_t n : {1, 31, 33, 255, 257, 4096, 1048577, 5000003}) {
      CAPTURE(name_of(dtype), n);
      const Both x = random_both(random, {n}, dtype);
      GuardedGpu sum({1}, DType::kF64), again({1}, DType::kF64);
      run(cuda::Backend{}, gpu_queue(), SquaredNorm{.x = x.gpu, .sum = sum});
      run(cuda::Backend{}, gpu_queue(), SquaredNorm{.x = x.gpu, .sum = again});
      const Tensor wanted = Tensor::zeros({1}, DType::kF64);
      run(cpu::Backend{}, cpu_queue(), SquaredNorm{.x = x.exact, .sum = wanted});
      CHECK(relative_error(sum.values(), elements<double>(wanted)) <= kTolerance64);
      CHECK(same_bits(sum.bits(), again.bits()));
      CHECK(sum.intact());
    }
  }
}
