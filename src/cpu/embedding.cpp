#include "lacuna/kernels/embedding.h"

#include "dispatch.h"
#include "lacuna/kernels/embedding_decode.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

// Row of table k for one position, or -1 where the table is absent.
std::array<int64_t, kMaxPositionTables> digits(const PositionTables& tables, int64_t position) {
  std::array<int64_t, kMaxPositionTables> rows{-1, -1, -1};
  for (size_t k = kMaxPositionTables; k-- > 0;) {
    if (!tables[k].present()) continue;
    rows[k] = position % tables[k].size(0);
    position /= tables[k].size(0);
  }
  return rows;
}

// One row: of slot t, after the symbol at `before`, which is not read at t = 0. Op is either of the
// contracts that write rows.
template <class T, class Op>
void write_row(const Op& op, int64_t t, const int32_t* before, T* row) {
  const int64_t width = op.y.size(2);
  const T* first =
      t == 0 ? op.start.template data<T>() : op.token.template data<T>() + *before * width;
  std::copy(first, first + width, row);
  if (t == 0) return;
  const auto rows = digits(op.position, t - 1);
  for (size_t k = 0; k < kMaxPositionTables; ++k) {
    if (rows[k] < 0) continue;
    const T* table = op.position[k].template data<T>() + rows[k] * width;
    for (int64_t j = 0; j < width; ++j) row[j] += table[j];
  }
}

template <class T>
void forward(Queue& queue, const EmbeddingForward& op) {
  const int64_t batch = op.y.size(0), length = op.y.size(1), width = op.y.size(2);
  const int32_t* tokens = op.tokens.data<int32_t>();
  T* y = op.y.data<T>();
  parallel_chunks(queue, batch * length, 64, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      write_row(op, i % length, tokens + std::max<int64_t>(0, i - 1), y + i * width);
    }
  });
}

template <class T>
void decode(const EmbeddingDecode& op) {
  const int64_t batch = op.y.size(0), width = op.y.size(2);
  for (int64_t b = 0; b < batch; ++b) {
    write_row(op, op.state->position, op.tokens.data<int32_t>() + b, op.y.data<T>() + b * width);
  }
}

// Each work item owns a range of columns of all tables and walks the positions in order.
template <class T>
void backward(Queue& queue, const EmbeddingBackward& op) {
  const int64_t batch = op.dy.size(0), length = op.dy.size(1), width = op.dy.size(2);
  const int32_t* tokens = op.tokens.data<int32_t>();
  const T* dy = op.dy.data<T>();
  T *dtoken = op.dtoken.data<T>(), *dstart = op.dstart.data<T>();
  parallel_chunks(queue, width, 32, [&](int64_t, int64_t begin, int64_t end) {
    const auto add = [&](const T* from, T* to) {
      for (int64_t j = begin; j < end; ++j) to[j] += from[j];
    };
    for (int64_t i = 0; i < batch * length; ++i) {
      const T* row = dy + i * width;
      const int64_t t = i % length;
      add(row, t == 0 ? dstart : dtoken + tokens[i - 1] * width);
      if (t == 0) continue;
      const auto rows = digits(op.dposition, t - 1);
      for (size_t k = 0; k < kMaxPositionTables; ++k) {
        if (rows[k] >= 0) add(row, op.dposition[k].data<T>() + rows[k] * width);
      }
    }
  });
}

}  // namespace

void run(Backend, Queue& queue, const EmbeddingForward& op) {
  with_float_type(op.y.dtype(), "EmbeddingForward",
                  [&](auto t) { forward<decltype(t)>(queue, op); });
}

void run(Backend, Queue&, const EmbeddingDecode& op) {
  with_float_type(op.y.dtype(), "EmbeddingDecode", [&](auto t) { decode<decltype(t)>(op); });
}

void run(Backend, Queue& queue, const EmbeddingBackward& op) {
  with_float_type(op.dy.dtype(), "EmbeddingBackward",
                  [&](auto t) { backward<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
