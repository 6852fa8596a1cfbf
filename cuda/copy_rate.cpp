// The rate of a large copy within the GPU's memory: what kernels that are bound by memory are held
// against.
#include "queue.h"

namespace lacuna::cuda {

double copy_rate(const Queue& queue) {
  constexpr int64_t kBytes = int64_t{2} << 30;
  constexpr int kRepeats = 11;
  const Tensor from = queue.zeros({kBytes}, DType::kU8), to = queue.zeros({kBytes}, DType::kU8);
  queue.fill(from, 0x5B);
  const auto copy = [&](int) {
    check(cudaMemcpyAsync(to.view().raw(), from.view().raw(), kBytes, cudaMemcpyDeviceToDevice,
                          gpu(queue).stream()),
          "cudaMemcpyAsync");
  };
  time_on_device(queue, 3, copy);
  return 2 * kBytes / (1e-3 * time_on_device(queue, kRepeats, copy)[kRepeats / 2]);
}

}  // namespace lacuna::cuda
