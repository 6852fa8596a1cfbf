// The seam between two blocks, [N = B*T, C] in T (bf16, f16, f32), gain and bias f32:
//   forward    sum = residual + dropout(branch), y = layernorm(sum)
//              reads residual, branch, writes sum, y: 4 N C size bytes
//   backward   dresidual = dsum + dnorm, dbranch = dropout(dresidual), dgain, dbias
//              reads sum, dy, dsum, writes dresidual, dbranch: 5 N C size bytes
// Bound by memory; with dropout ten rounds of Philox for four elements come close to it. The norm
// is of the sum as it is stored, so that backward sees the same rows. Rows and partial sums as in
// layernorm.cu. One H100, bf16, 98,304 x 512, 2026-11-28: 92 % and 88 % of the rate of a large
// copy, with dropout 86 % both.
#include "device/dropout.cuh"
#include "lacuna/kernels/residual_norm.h"
#include "launch_kernel.h"
#include "norm_launch.h"

namespace lacuna::cuda {
namespace {

template <bool kDropout, int kPack, int kPacks>
__device__ void drop_row(const NormPlace<kPack, kPacks>& place, const DropoutLaunch& dropout,
                         int64_t row, int64_t length, float* values) {
  if constexpr (kDropout) {
    const StepInputs& inputs = dropout.state->inputs;
    const uint64_t sample = inputs.first_sample + static_cast<uint64_t>(row / length);
    const int64_t first = row % length * place.width;
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      drop<kPack>(dropout, inputs.dropout_key, sample, first + place.column(k), values + k * kPack);
    }
  }
}

template <class T, bool kDropout, int kPack, int kPacks>
__global__ __launch_bounds__(kMostNormThreads) void residual_norm_forward_kernel(
    const T* residual, const T* branch, const float* gain, const float* bias, T* sum, T* y,
    float* mean, float* rstd, float eps, int64_t rows, int64_t length, int width, int warps,
    DropoutLaunch dropout) {
  follow_previous();
  const NormPlace<kPack, kPacks> place(rows, width, warps);
  RowQueue<T, kPack, kPacks, 2> queue(place, residual, branch);
  float gains[kPack * kPacks], biases[kPack * kPacks], values[kPack * kPacks];
  read_columns(place, gain, gains);
  read_columns(place, bias, biases);
  for (int64_t first = place.first; first < rows; first += place.step()) {
    const int64_t row = first + place.group;
    queue.advance(row);
    const auto row_branch = queue.get(1);
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) values[k * kPack + i] = row_branch.at(k, i);
    }
    drop_row<kDropout>(place, dropout, row, length, values);
    const auto row_residual = queue.get(0);
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        float& value = values[k * kPack + i];
        value = to_f32(from_f32<T>(row_residual.at(k, i) + value));
      }
    }
    write_row(place, values, sum, row);
    normalise_row(place, values, gains, biases, eps, row, y, mean, rstd);
  }
}

template <class T, bool kDropout, int kPack, int kPacks>
__global__ __launch_bounds__(kMostNormThreads) void residual_norm_backward_kernel(
    const T* sum, const float* gain, const float* mean, const float* rstd, const T* dy,
    const T* dsum, T* dresidual, T* dbranch, float* partial, int64_t rows, int64_t length,
    int width, int warps, DropoutLaunch dropout) {
  follow_previous();
  const NormPlace<kPack, kPacks> place(rows, width, warps);
  RowQueue<T, kPack, kPacks, 3> queue(place, sum, dy, dsum);
  float gains[kPack * kPacks], gradient[kPack * kPacks];
  float dgain[kPack * kPacks] = {}, dbias[kPack * kPacks] = {};
  read_columns(place, gain, gains);
  RowStatistics statistics(place, mean, rstd);
  for (int64_t first = place.first; first < rows; first += place.step()) {
    const int64_t row = first + place.group;
    queue.advance(row);
    const float2 now = statistics.advance(place, row);
    normalise_row_backward(place, queue.get(0), queue.get(1), gains, now.x, now.y, gradient, dgain,
                           dbias);
    const auto row_dsum = queue.get(2);
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) gradient[k * kPack + i] += row_dsum.at(k, i);
    }
    write_row(place, gradient, dresidual, row);
    drop_row<kDropout>(place, dropout, row, length, gradient);
    write_row(place, gradient, dbranch, row);
  }
  float* sums = partial + int64_t{blockIdx.x} * 2 * width;
  write_column_sums(place, dgain, sums);
  write_column_sums(place, dbias, sums + width);
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
  with_norm_packs<T>(
      width, {residual, branch, sum, y, op.gain.raw(), op.bias.raw()}, [&](auto pack, auto packs) {
        with_dropout(op.dropout, [&](auto drops) {
          const auto kernel = residual_norm_forward_kernel<T, drops, pack, packs>;
          const NormLaunch plan = norm_launch(kernel, rows, width, pack * packs,
                                              RowQueue<T, pack, packs, 2>::kBytes, false, kOp);
          const auto blocks = plan.blocks(kForwardRows, INT32_MAX);
          launch_kernel(stream, "residual_norm_forward_kernel", kernel,
                        static_cast<unsigned>(blocks), plan.threads, plan.shared, residual, branch,
                        pointer<float>(op.gain, kOp), pointer<float>(op.bias, kOp), sum, y,
                        pointer<float>(op.mean, kOp), pointer<float>(op.rstd, kOp),
                        static_cast<float>(op.eps), rows, length, plan.width, plan.warps,
                        DropoutLaunch(op.dropout));
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
  with_norm_packs<T>(
      width, {sum, dy, dsum, dresidual, dbranch, op.gain.raw()}, [&](auto pack, auto packs) {
        with_dropout(op.dropout, [&](auto drops) {
          const auto kernel = residual_norm_backward_kernel<T, drops, pack, packs>;
          const NormLaunch plan = norm_launch(kernel, rows, width, pack * packs,
                                              RowQueue<T, pack, packs, 3>::kBytes, true, kOp);
          const int64_t most = kPartialBytes / (2 * width * int64_t{sizeof(float)});
          const int64_t blocks =
              plan.blocks(pack * packs == kNormElements ? kBackwardRows : kBackwardShortRows, most);
          float* partial = stream.workspace<float>(blocks * 2 * width);
          launch_kernel(stream, "residual_norm_backward_kernel", kernel,
                        static_cast<unsigned>(blocks), plan.threads, plan.shared, sum,
                        pointer<float>(op.gain, kOp), pointer<float>(op.mean, kOp),
                        pointer<float>(op.rstd, kOp), dy, dsum, dresidual, dbranch, partial, rows,
                        length, plan.width, plan.warps, DropoutLaunch(op.dropout));
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
