// Layer normalisation, x, y: [N, C] in T (bf16, f16, f32); gain, bias: [C], mean, rstd: [N] f32.
//   forward    y = (x - mean) * rstd * gain + bias      reads x, writes y: 2 N C size bytes
//   backward   dx, dgain, dbias                         reads x, dy, writes dx: 3 N C size bytes
// Bound by memory. Half a warp, backward a warp, holds a row of up to 256 elements, a warp one of
// 512, several warps a wider one, and the next rows are on their way to shared memory meanwhile.
// Backward keeps the sums for dgain and dbias in registers over all rows of a thread; each block
// leaves one partial sum per column, and a second kernel adds those.
#include "device/norm_math.cuh"
#include "lacuna/kernels/layernorm.h"
#include "launch_kernel.h"
#include "norm_launch.h"

namespace lacuna::cuda {
namespace {

template <class T, class Layout>
__global__ __launch_bounds__(
    Layout::kMostThreads,
    Layout::kForwardBlocks) void layernorm_forward_kernel(const T* x, const float* gain,
                                                          const float* bias, T* y, float* mean,
                                                          float* rstd, float eps, int rows,
                                                          int width, int lanes) {
  follow_previous();
  const Layout layout = Layout::of_neighbours(rows, width, lanes, kNormRows);
  RowQueue<T, Layout, 1, kNormRows> queue(layout, x);
  float gains[Layout::kElements], biases[Layout::kElements], values[Layout::kElements];
  read_columns(layout, gain, gains);
  read_columns(layout, bias, biases);
  for (int row = layout.first(); layout.goes_on(row); row += layout.step()) {
    queue.advance(row);
    queue.get(0).to_values(values);
    normalise_row(layout, values, gains, biases, eps, row, y, mean, rstd);
  }
}

template <class T, class Layout>
__global__ __launch_bounds__(
    Layout::kMostThreads,
    Layout::kBackwardBlocks) void layernorm_backward_kernel(const T* x, const float* gain,
                                                            const float* mean, const float* rstd,
                                                            const T* dy, T* dx, float* partial,
                                                            int rows, int width, int lanes) {
  using Rows = RowQueue<T, Layout, 2>;
  release_next();
  const Layout layout = Layout::in_turn(rows, width, lanes);
  Rows::prefetch(layout, x);
  await_previous();
  Rows queue(layout, x, dy);
  float gains[Layout::kElements], gradient[Layout::kElements];
  float dgain[Layout::kElements] = {}, dbias[Layout::kElements] = {};
  read_columns(layout, gain, gains);
  RowStatistics statistics(layout, mean, rstd);
  for (int row = layout.first(); layout.goes_on(row); row += layout.step()) {
    queue.advance(row);
    const float2 now = statistics.advance(layout, row);
    normalise_row_backward(layout, queue.get(0), queue.get(1), gains, now.x, now.y, gradient, dgain,
                           dbias);
    write_row(layout, Rows::Row::rounded(gradient), dx, row);
  }
  write_column_sums(layout, dgain, dbias, partial + int64_t{blockIdx.x} * 2 * width);
}

template <class T>
void forward(GpuStream& stream, const LayerNormForward& op) {
  constexpr const char* kOp = "LayerNormForward";
  const int64_t width = op.gain.size(0), rows = op.x.count() / width;
  const T* x = pointer<T>(op.x, kOp);
  T* y = pointer<T>(op.y, kOp);
  with_row_layout<T>(width, {x, y, op.gain.raw(), op.bias.raw()}, [&](auto type) {
    using Layout = typename decltype(type)::type;
    const auto kernel = layernorm_forward_kernel<T, Layout>;
    const NormLaunch plan = norm_launch<Layout>(
        kernel, rows, width, RowQueue<T, Layout, 1, kNormRows>::kBytes, false, kOp);
    const auto blocks = plan.blocks(kNormRows);
    launch_kernel(stream, "layernorm_forward_kernel", kernel, static_cast<unsigned>(blocks),
                  plan.threads, plan.shared, x, pointer<float>(op.gain, kOp),
                  pointer<float>(op.bias, kOp), y, pointer<float>(op.mean, kOp),
                  pointer<float>(op.rstd, kOp), static_cast<float>(op.eps), plan.rows, plan.width,
                  plan.lanes);
  });
}

template <class T>
void backward(GpuStream& stream, const LayerNormBackward& op) {
  constexpr const char* kOp = "LayerNormBackward";
  const int64_t width = op.gain.size(0), rows = op.x.count() / width;
  const T *x = pointer<T>(op.x, kOp), *dy = pointer<T>(op.dy, kOp);
  T* dx = pointer<T>(op.dx, kOp);
  float* dgain = pointer<float>(op.dgain, kOp);
  float* dbias = pointer<float>(op.dbias, kOp);
  with_row_layout<T, 32>(width, {x, dy, dx, op.gain.raw()}, [&](auto type) {
    using Layout = typename decltype(type)::type;
    const auto kernel = layernorm_backward_kernel<T, Layout>;
    const NormLaunch plan =
        norm_launch<Layout>(kernel, rows, width, RowQueue<T, Layout, 2>::kBytes, true, kOp);
    const int64_t blocks = plan.summing_blocks(stream, kernel);
    float* partial = stream.workspace<float>(blocks * 2 * width);
    launch_kernel(stream, "layernorm_backward_kernel", kernel, static_cast<unsigned>(blocks),
                  plan.threads, plan.shared, x, pointer<float>(op.gain, kOp),
                  pointer<float>(op.mean, kOp), pointer<float>(op.rstd, kOp), dy, dx, partial,
                  plan.rows, plan.width, plan.lanes);
    add_partial_sums(stream, partial, blocks, 2 * width, dgain, width, dbias);
  });
}

}  // namespace

void run(Backend, Queue& queue, const LayerNormForward& op) {
  if (op.x.count() == 0) return;
  with_activation_type(op.y.dtype(), "LayerNormForward",
                       [&](auto t) { forward<decltype(t)>(gpu(queue), op); });
}

void run(Backend, Queue& queue, const LayerNormBackward& op) {
  if (op.x.count() == 0) return;
  with_activation_type(op.dx.dtype(), "LayerNormBackward",
                       [&](auto t) { backward<decltype(t)>(gpu(queue), op); });
}

}  // namespace lacuna::cuda
