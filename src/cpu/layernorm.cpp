#include "lacuna/kernels/layernorm.h"

#include "dispatch.h"
#include "norm_rows.h"

namespace lacuna::cpu {
namespace {

template <class T>
void forward(Queue& queue, const LayerNormForward& op) {
  const int64_t width = op.gain.size(0), rows = op.x.count() / width;
  const T *x = op.x.data<T>(), *gain = op.gain.data<T>(), *bias = op.bias.data<T>();
  T *y = op.y.data<T>(), *mean = op.mean.data<T>(), *rstd = op.rstd.data<T>();
  parallel_chunks(queue, rows, kNormChunkRows, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      norm_row(x + i * width, gain, bias, op.eps, width, y + i * width, mean + i, rstd + i);
    }
  });
}

template <class T>
void backward(Queue& queue, const LayerNormBackward& op) {
  const int64_t width = op.gain.size(0), rows = op.x.count() / width;
  const T *x = op.x.data<T>(), *gain = op.gain.data<T>(), *dy = op.dy.data<T>();
  const T *mean = op.mean.data<T>(), *rstd = op.rstd.data<T>();
  T* dx = op.dx.data<T>();
  norm_rows_backward(queue, rows, width, op.dgain.data<T>(), op.dbias.data<T>(),
                     [&](int64_t i, T* dgain, T* dbias) {
                       norm_row_backward(x + i * width, gain, mean[i], rstd[i], dy + i * width,
                                         width, dx + i * width, dgain, dbias);
                     });
}

}  // namespace

void run(Backend, Queue& queue, const LayerNormForward& op) {
  with_float_type(op.y.dtype(), "LayerNormForward",
                  [&](auto t) { forward<decltype(t)>(queue, op); });
}

void run(Backend, Queue& queue, const LayerNormBackward& op) {
  with_float_type(op.dy.dtype(), "LayerNormBackward",
                  [&](auto t) { backward<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
