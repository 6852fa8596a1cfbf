// The seam between two blocks, [N = B*T, C] in T (bf16, f16, f32), gain and bias f32:
//   forward    sum = residual + dropout(branch), y = layernorm(sum)
//              reads residual, branch, writes sum, y: 4 N C size bytes
//   backward   dresidual = dsum + dnorm, dbranch = dropout(dresidual), dgain, dbias
//              reads sum, dy, dsum, writes dresidual, dbranch: 5 N C size bytes
// Bound by memory; with dropout ten rounds of Philox for eight elements come close to it. The norm
// is of the sum as it is stored, so that backward sees the same rows. Rows and partial sums as in
// layernorm.cu, but half a warp holds a row of 256 backward, too, and forward a group has one row.
#include "device/dropout.cuh"
#include "device/norm_math.cuh"
#include "lacuna/kernels/residual_norm.h"
#include "launch_kernel.h"
#include "norm_launch.h"

namespace lacuna::cuda {
namespace {

/// Dropout of a thread's part of a row; rows of all samples follow each other.
template <class T, class Layout, bool kDropout>
class RowDropout {
 public:
  /// Before the row is read, so that the generator's words do not lie in registers beside it.
  __device__ RowDropout(const Layout& layout, const DropoutLaunch& launch, int row, int length) {
    if constexpr (kDropout) {
      const StepInputs& inputs = launch.state->inputs;
      const auto all = static_cast<unsigned>(row), steps = static_cast<unsigned>(length);
      const int64_t first = int64_t{all % steps} * layout.width;
#pragma unroll
      for (int k = 0; k < layout.kPacks; ++k) {
        kept_.add(launch, inputs.dropout_key, inputs.first_sample + all / steps,
                  first + layout.column(k));
      }
      scale_ = launch.scale;
    }
  }
  /// The factor of what is kept.
  __device__ float scale() const {
    return scale_;
  }
  __device__ void drop(StoredRow<T, Layout>& values) const {
    if constexpr (kDropout) {
#pragma unroll
      for (int k = 0; k < values.kPacks; ++k) kept_.apply(k, values.packs[k]);
    }
  }

 private:
  KeptElements<T, Layout::kPack, Layout::kPacks> kept_;
  float scale_ = 1;
};

template <class T, bool kDropout, class Layout>
__global__ __launch_bounds__(
    Layout::kMostThreads,
    Layout::kForwardBlocks) void residual_norm_forward_kernel(const T* residual, const T* branch,
                                                              const float* gain, const float* bias,
                                                              T* sum, T* y, float* mean,
                                                              float* rstd, float eps, int rows,
                                                              int length, int width, int lanes,
                                                              DropoutLaunch dropout) {
  follow_previous();
  const Layout layout = Layout::of_neighbours(rows, width, lanes, kSeamRows);
  using Row = typename RowQueue<T, Layout, 2>::Row;
  RowQueue<T, Layout, 2> queue(layout, residual, branch);
  float gains[Layout::kElements], biases[Layout::kElements];
  float values[Layout::kElements], row_residual[Layout::kElements];
  read_columns(layout, gain, gains);
  read_columns(layout, bias, biases);
  for (int row = layout.first(); layout.goes_on(row); row += layout.step()) {
    const RowDropout<T, Layout, kDropout> row_dropout(layout, dropout, row, length);
    queue.advance(row);
    Row row_branch = queue.get(1);
    row_dropout.drop(row_branch);
    row_branch.to_values(values);
    queue.get(0).to_values(row_residual);
#pragma unroll
    for (int j = 0; j < Layout::kElements; ++j) {
      values[j] = row_residual[j] + values[j] * row_dropout.scale();
    }
    const Row stored = Row::rounded(values);
    write_row(layout, stored, sum, row);
    stored.to_values(values);
    normalise_row(layout, values, gains, biases, eps, row, y, mean, rstd);
  }
}

template <class T, bool kDropout, class Layout>
__global__ __launch_bounds__(
    Layout::kMostThreads,
    Layout::kBackwardBlocks) void residual_norm_backward_kernel(const T* sum, const float* gain,
                                                                const float* mean,
                                                                const float* rstd, const T* dy,
                                                                const T* dsum, T* dresidual,
                                                                T* dbranch, float* partial,
                                                                int rows, int length, int width,
                                                                int lanes, DropoutLaunch dropout) {
  using Rows = RowQueue<T, Layout, 3>;
  release_next();
  const Layout layout = Layout::in_turn(rows, width, lanes);
  Rows::prefetch(layout, sum);
  await_previous();
  using Row = typename Rows::Row;
  Rows queue(layout, sum, dy, dsum);
  float gains[Layout::kElements], gradient[Layout::kElements], row_dsum[Layout::kElements];
  float dgain[Layout::kElements] = {}, dbias[Layout::kElements] = {};
  read_columns(layout, gain, gains);
  RowStatistics statistics(layout, mean, rstd);
  for (int row = layout.first(); layout.goes_on(row); row += layout.step()) {
    const RowDropout<T, Layout, kDropout> row_dropout(layout, dropout, row, length);
    queue.advance(row);
    const float2 now = statistics.advance(layout, row);
    normalise_row_backward(layout, queue.get(0), queue.get(1), gains, now.x, now.y, gradient, dgain,
                           dbias);
    queue.get(2).to_values(row_dsum);
#pragma unroll
    for (int j = 0; j < Layout::kElements; ++j) gradient[j] += row_dsum[j];
    write_row(layout, Row::rounded(gradient), dresidual, row);
#pragma unroll
    for (int j = 0; j < Layout::kElements; ++j) gradient[j] *= row_dropout.scale();
    Row row_dbranch = Row::rounded(gradient);
    row_dropout.drop(row_dbranch);
    write_row(layout, row_dbranch, dbranch, row);
  }
  write_column_sums(layout, dgain, dbias, partial + int64_t{blockIdx.x} * 2 * width);
}

template <class Body>
void with_dropout(const Dropout& dropout, const Body& body) {
  if (dropout.rate > 0) return body(std::true_type{});
  body(std::false_type{});
}

template <class T>
void forward(GpuStream& stream, const ResidualNormForward& op) {
  constexpr const char* kOp = "ResidualNormForward";
  const int64_t length = op.sum.size(1), width = op.sum.size(2), rows = op.sum.size(0) * length;
  const T *residual = pointer<T>(op.residual, kOp), *branch = pointer<T>(op.branch, kOp);
  T *sum = pointer<T>(op.sum, kOp), *y = pointer<T>(op.y, kOp);
  with_row_layout<T>(
      width, {residual, branch, sum, y, op.gain.raw(), op.bias.raw()}, [&](auto type) {
        using Layout = typename decltype(type)::type;
        with_dropout(op.dropout, [&](auto drops) {
          const auto kernel = residual_norm_forward_kernel<T, drops, Layout>;
          const NormLaunch plan =
              norm_launch<Layout>(kernel, rows, width, RowQueue<T, Layout, 2>::kBytes, false, kOp);
          const auto blocks = plan.blocks(kSeamRows);
          launch_kernel(stream, "residual_norm_forward_kernel", kernel,
                        static_cast<unsigned>(blocks), plan.threads, plan.shared, residual, branch,
                        pointer<float>(op.gain, kOp), pointer<float>(op.bias, kOp), sum, y,
                        pointer<float>(op.mean, kOp), pointer<float>(op.rstd, kOp),
                        static_cast<float>(op.eps), plan.rows, static_cast<int>(length), plan.width,
                        plan.lanes, DropoutLaunch(op.dropout));
        });
      });
}

template <class T>
void backward(GpuStream& stream, const ResidualNormBackward& op) {
  constexpr const char* kOp = "ResidualNormBackward";
  const int64_t length = op.sum.size(1), width = op.sum.size(2), rows = op.sum.size(0) * length;
  const T *sum = pointer<T>(op.sum, kOp), *dy = pointer<T>(op.dy, kOp);
  const T* dsum = pointer<T>(op.dsum, kOp);
  T *dresidual = pointer<T>(op.dresidual, kOp), *dbranch = pointer<T>(op.dbranch, kOp);
  float* dgain = pointer<float>(op.dgain, kOp);
  float* dbias = pointer<float>(op.dbias, kOp);
  with_row_layout<T>(width, {sum, dy, dsum, dresidual, dbranch, op.gain.raw()}, [&](auto type) {
    using Layout = typename decltype(type)::type;
    with_dropout(op.dropout, [&](auto drops) {
      const auto kernel = residual_norm_backward_kernel<T, drops, Layout>;
      const NormLaunch plan =
          norm_launch<Layout>(kernel, rows, width, RowQueue<T, Layout, 3>::kBytes, true, kOp);
      const int64_t blocks = plan.summing_blocks(stream, kernel);
      float* partial = stream.workspace<float>(blocks * 2 * width);
      launch_kernel(stream, "residual_norm_backward_kernel", kernel, static_cast<unsigned>(blocks),
                    plan.threads, plan.shared, sum, pointer<float>(op.gain, kOp),
                    pointer<float>(op.mean, kOp), pointer<float>(op.rstd, kOp), dy, dsum, dresidual,
                    dbranch, partial, plan.rows, static_cast<int>(length), plan.width, plan.lanes,
                    DropoutLaunch(op.dropout));
      add_partial_sums(stream, partial, blocks, 2 * width, dgain, width, dbias);
    });
  });
}

}  // namespace

void run(Backend, Queue& queue, const ResidualNormForward& op) {
  if (op.sum.count() == 0) return;
  with_activation_type(op.sum.dtype(), "ResidualNormForward",
                       [&](auto t) { forward<decltype(t)>(gpu(queue), op); });
}

void run(Backend, Queue& queue, const ResidualNormBackward& op) {
  if (op.sum.count() == 0) return;
  with_activation_type(op.dresidual.dtype(), "ResidualNormBackward",
                       [&](auto t) { backward<decltype(t)>(gpu(queue), op); });
}

}  // namespace lacuna::cuda
