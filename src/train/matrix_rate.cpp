#include "lacuna/train/matrix_rate.h"

#include <cmath>
#include <vector>

#include "lacuna/base/rng.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/kernels/linear.h"
#include "lacuna/tensor/device_error.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::train {
namespace {

constexpr int64_t kSize = 8192, kDrawnRows = 256;
constexpr int kRepeats = 9;

// Normal numbers for the first rows; the others repeat them, which no product can tell.
Tensor drawn_rows() {
  Tensor rows = Tensor::zeros({kDrawnRows, kSize}, DType::kF32);
  float* to = rows.view().data<float>();
  const PhiloxKey key = random_key(1, RandomUse::kInit, 0);
  for (int64_t i = 0; i < rows.view().count() / 2; ++i) {
    const auto pair = normal_pair(random_words(key, 0, 0, static_cast<uint32_t>(i)));
    to[2 * i] = static_cast<float>(pair[0]);
    to[2 * i + 1] = static_cast<float>(pair[1]);
  }
  return rows;
}

Tensor operand(Queue& queue, const Tensor& rows, DType dtype) {
  Tensor whole = queue.zeros({kSize, kSize}, dtype);
  for (int64_t row = 0; row < kSize; row += kDrawnRows) {
    launch(queue, Convert{.x = rows, .y = whole.view().slice(0, row, kDrawnRows)});
  }
  return whole;
}

}  // namespace

double matrix_rate(const Queue& queue, DType dtype) {
  if constexpr (kWithCuda) {
    const size_t wanted = 4 * kSize * kSize * size_of(dtype);  // two operands, the product, slack
    if (!queue.on_gpu() || cuda::device_memory(queue).free < wanted) return 0;
    try {
      Queue mine = queue;
      const Tensor drawn = drawn_rows();
      const Tensor rows = queue.zeros(drawn.shape(), drawn.dtype());
      queue.upload(rows, drawn.view().raw());
      const Tensor x = operand(mine, rows, dtype), weight = operand(mine, rows, dtype);
      const Tensor y = queue.zeros({kSize, kSize}, dtype);
      const auto work = [&](int) { launch(mine, LinearForward{.x = x, .weight = weight, .y = y}); };
      work(0);
      const std::vector<double> times = cuda::time_on_device(queue, kRepeats, work);  // ms
      return 2 * std::pow(static_cast<double>(kSize), 3) / (1e-3 * times[kRepeats / 2]);
    } catch (const DeviceError&) {
      throw;
    } catch (const Error&) {  // others have taken the memory meanwhile: the rate is not known
    }
  }
  return 0;
}

}  // namespace lacuna::train
