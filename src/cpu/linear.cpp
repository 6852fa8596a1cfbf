#include "lacuna/kernels/linear.h"

#include <vector>

#include "dispatch.h"
#include "dot.h"
#include "gemm.h"
#include "math.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

constexpr int64_t kChunkRows = 64;

// z += bias, then y = f(z); z and y may be the same memory.
template <class T>
void finish_rows(Queue& queue, const LinearForward& op, T* z, int64_t rows, int64_t width) {
  T* y = op.y.data<T>();
  const T* bias = op.bias.present() ? op.bias.data<T>() : nullptr;
  parallel_chunks(queue, rows, kChunkRows, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T *row = z + i * width, *out = y + i * width;
      if (bias != nullptr) {
        for (int64_t j = 0; j < width; ++j) row[j] += bias[j];
      }
      if (op.activation == Activation::kQuickGelu) {
        for (int64_t j = 0; j < width; ++j) out[j] = quick_gelu(row[j]);
      }
    }
  });
}

// dbias += column sums of dz, in a fixed order: chunks of rows, then the chunks one after the
// other.
template <class T>
void add_column_sums(Queue& queue, const T* dz, int64_t rows, int64_t width, T* dbias) {
  const int64_t chunks = (rows + kChunkRows - 1) / kChunkRows;
  std::vector<T> partial(static_cast<size_t>(chunks * width));
  parallel_chunks(queue, rows, kChunkRows, [&](int64_t chunk, int64_t begin, int64_t end) {
    T* sums = partial.data() + chunk * width;
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < width; ++j) sums[j] += dz[i * width + j];
    }
  });
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (int64_t j = 0; j < width; ++j) dbias[j] += partial[static_cast<size_t>(chunk * width + j)];
  }
}

template <class T>
void through_activation(Queue& queue, const T* z, T* dy, int64_t rows, int64_t width) {
  parallel_chunks(queue, rows, kChunkRows, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t at = begin * width; at < end * width; ++at) dy[at] *= quick_gelu_slope(z[at]);
  });
}

// Few rows: the time is that of reading the weights, so each is read once, for all rows.
template <class T>
void multiply_rows_alone(Queue& queue, const LinearForward& op, int64_t rows, int64_t in,
                         int64_t out) {
  constexpr int64_t kTogether = 4;
  const int64_t outputs = std::max<int64_t>(16, kWorthAThread / in);
  const T *x = op.x.data<T>(), *weight = op.weight.data<T>();
  T* y = op.y.data<T>();
  parallel_chunks(queue, out, outputs, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const T* row = weight + j * in;
      int64_t i = 0;
      for (; i + kTogether <= rows; i += kTogether) {
        dots<kTogether>(x + i * in, in, row, in, y + i * out + j, out);
      }
      for (; i < rows; ++i) y[i * out + j] = dot(x + i * in, row, in);
    }
  });
}

template <class T>
void forward(Queue& queue, const LinearForward& op) {
  const int64_t in = op.weight.size(1), out = op.weight.size(0), rows = op.x.count() / in;
  if (op.rows_alone) {
    require(!op.preactivation.present(), "LinearForward", "rows alone keep no preactivation");
    multiply_rows_alone<T>(queue, op, rows, in, out);
    return finish_rows<T>(queue, op, op.y.data<T>(), rows, out);
  }
  T* z = op.preactivation.present() ? op.preactivation.data<T>() : op.y.data<T>();
  gemm(queue.threads(), rows, out, in, T(1), Matrix<T>{op.x.data<T>(), in},
       Matrix<T>{op.weight.data<T>(), in, Transpose::kYes}, T(0), z, out);
  if (op.bias.present() || op.activation != Activation::kNone) {
    finish_rows<T>(queue, op, z, rows, out);
  }
}

template <class T>
void backward(Queue& queue, const LinearBackward& op) {
  const int64_t in = op.dweight.size(1), out = op.dweight.size(0), rows = op.x.count() / in;
  T* dz = op.dy.data<T>();
  if (op.activation == Activation::kQuickGelu) {
    through_activation(queue, op.preactivation.data<T>(), dz, rows, out);
  }
  gemm(queue.threads(), out, in, rows, T(1), Matrix<T>{dz, out, Transpose::kYes},
       Matrix<T>{op.x.data<T>(), in}, T(1), op.dweight.data<T>(), in);
  if (op.dbias.present()) add_column_sums(queue, dz, rows, out, op.dbias.data<T>());
  if (op.dx.present()) {
    gemm(queue.threads(), rows, in, out, T(1), Matrix<T>{dz, out},
         Matrix<T>{op.weight.data<T>(), in}, T(0), op.dx.data<T>(), in);
  }
}

}  // namespace

void run(Backend, Queue& queue, const Activate& op) {
  require(op.activation == Activation::kQuickGelu, "Activate", "no activation is named");
  const int64_t width = op.y.shape().back(), rows = op.y.count() / width;
  with_float_type(op.y.dtype(), "Activate", [&](auto type) {
    using T = decltype(type);
    const T* z = op.preactivation.data<T>();
    T* y = op.y.data<T>();
    parallel_chunks(queue, rows, kChunkRows, [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t at = begin * width; at < end * width; ++at) y[at] = quick_gelu(z[at]);
    });
  });
}

void run(Backend, Queue& queue, const LinearForward& op) {
  with_float_type(op.y.dtype(), "LinearForward", [&](auto t) { forward<decltype(t)>(queue, op); });
}

void run(Backend, Queue& queue, const LinearBackward& op) {
  with_float_type(op.dy.dtype(), "LinearBackward",
                  [&](auto t) { backward<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
