#include "lacuna/kernels/residual_norm.h"

#include "dispatch.h"
#include "norm_rows.h"

namespace lacuna::cpu {
namespace {

// y = x * (0 or scale) for elements [first, first + count) of one sample.
template <class T>
void drop(const Dropout& dropout, uint64_t sample, int64_t first, int64_t count, const T* x, T* y) {
  const uint32_t threshold = dropout.threshold();
  const T scale = T(dropout.scale());
  for (int64_t at = first; at < first + count;) {
    const PhiloxCounter words = random_words(dropout.state->inputs.dropout_key, sample,
                                             dropout.site, static_cast<uint32_t>(at / 8));
    for (auto half = static_cast<size_t>(at % 8); half < 8 && at < first + count; ++half, ++at) {
      const uint32_t bits = words[half / 2] >> (16 * (half % 2)) & 0x7FFF;
      y[at - first] = bits >= threshold ? x[at - first] * scale : T(0);
    }
  }
}

template <class T>
void forward(Queue& queue, const ResidualNormForward& op) {
  const int64_t steps = op.sum.size(1), width = op.sum.size(2), rows = op.sum.size(0) * steps;
  const T *residual = op.residual.data<T>(), *branch = op.branch.data<T>();
  const T *gain = op.gain.data<T>(), *bias = op.bias.data<T>();
  T *sum = op.sum.data<T>(), *y = op.y.data<T>();
  T *mean = op.mean.data<T>(), *rstd = op.rstd.data<T>();
  parallel_chunks(queue, rows, kNormChunkRows, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * width;
      const T* added = branch + at;
      if (op.dropout.rate > 0) {
        const uint64_t sample =
            op.dropout.state->inputs.first_sample + static_cast<uint64_t>(i / steps);
        drop(op.dropout, sample, i % steps * width, width, branch + at, sum + at);
        added = sum + at;
      }
      for (int64_t j = 0; j < width; ++j) sum[at + j] = residual[at + j] + added[j];
      norm_row(sum + at, gain, bias, op.eps, width, y + at, mean + i, rstd + i);
    }
  });
}

template <class T>
void backward(Queue& queue, const ResidualNormBackward& op) {
  const int64_t steps = op.sum.size(1), width = op.sum.size(2), rows = op.sum.size(0) * steps;
  const T *sum = op.sum.data<T>(), *gain = op.gain.data<T>(), *dy = op.dy.data<T>();
  const T *mean = op.mean.data<T>(), *rstd = op.rstd.data<T>();
  const T* dsum = op.dsum.present() ? op.dsum.data<T>() : nullptr;
  T *dresidual = op.dresidual.data<T>(), *dbranch = op.dbranch.data<T>();
  norm_rows_backward(
      queue, rows, width, op.dgain.data<T>(), op.dbias.data<T>(),
      [&](int64_t i, T* dgain, T* dbias) {
        const int64_t at = i * width;
        T* out = dresidual + at;
        norm_row_backward(sum + at, gain, mean[i], rstd[i], dy + at, width, out, dgain, dbias);
        if (dsum != nullptr) {
          for (int64_t j = 0; j < width; ++j) out[j] += dsum[at + j];
        }
        if (op.dropout.rate > 0) {
          const uint64_t sample =
              op.dropout.state->inputs.first_sample + static_cast<uint64_t>(i / steps);
          drop(op.dropout, sample, i % steps * width, width, out, dbranch + at);
        } else {
          std::copy(out, out + width, dbranch + at);
        }
      });
}

}  // namespace

void run(Backend, Queue& queue, const ResidualNormForward& op) {
  with_float_type(op.y.dtype(), "ResidualNormForward",
                  [&](auto t) { forward<decltype(t)>(queue, op); });
}

void run(Backend, Queue& queue, const ResidualNormBackward& op) {
  with_float_type(op.dy.dtype(), "ResidualNormBackward",
                  [&](auto t) { backward<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
