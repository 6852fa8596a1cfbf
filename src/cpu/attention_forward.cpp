// Forward attention with a running softmax (Milakov and Gimelshein 2018; Dao et al. 2022): per
// query tile the maximum, the sum and the output are rescaled as key tiles come by. Passes of a
// head join through y and lse: a later pass starts from (lse, 1, y) of the earlier ones.
#include <limits>

#include "attention_lane.h"
#include "dispatch.h"
#include "gemm.h"
#include "math.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

template <class T>
constexpr T kMinusInfinity = -std::numeric_limits<T>::infinity();

template <class T>
struct RunningSoftmax {
  std::vector<T> out, top, sum;  // [rows, D_v], [rows], [rows]
};

// Turns one row of logits into weights relative to the new maximum, zero where nothing is seen.
template <class T>
void online_softmax_row(T* row, int64_t columns, std::pair<int64_t, int64_t> seen, T* top, T* sum,
                        T* out, int64_t width) {
  const int64_t begin = seen.first, end = seen.second;
  if (begin == end) {
    std::fill(row, row + columns, T(0));
    return;
  }
  T highest = *top;
#pragma omp simd reduction(max : highest)
  for (int64_t j = begin; j < end; ++j) highest = std::max(highest, row[j]);
  const T rescale = exponential(*top - highest);
  T added = 0;
#pragma omp simd reduction(+ : added)
  for (int64_t j = begin; j < end; ++j) {
    row[j] = exponential(row[j] - highest);
    added += row[j];
  }
  std::fill(row, row + begin, T(0));
  std::fill(row + end, row + columns, T(0));
  for (int64_t j = 0; j < width; ++j) out[j] *= rescale;
  *sum = *sum * rescale + added;
  *top = highest;
}

template <class T>
void forward_lane(const AttentionForward& op, const Lane& lane) {
  const int64_t qk_width = op.q.size(3), v_width = op.v.size(3), length = op.y.size(1);
  const std::vector<T> q = gather_queries<T>(op.q, lane);
  const std::vector<T> k = gather_keys<T>(op.k, lane), v = gather_keys<T>(op.v, lane);
  T* lse = op.lse.data<T>() + (lane.batch * op.y.size(2) + lane.head) * length;
  std::vector<T> logits(static_cast<size_t>(kQueryTile * kKeyTile));
  RunningSoftmax<T> state{std::vector<T>(static_cast<size_t>(kQueryTile * v_width)),
                          std::vector<T>(kQueryTile), std::vector<T>(kQueryTile)};
  for (int64_t query = 0; query < lane.queries; query += kQueryTile) {
    const int64_t rows = std::min(kQueryTile, lane.queries - query);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t position = lane.query_position(query + i);
      const T* y = row_at<T>(op.y, lane.batch, position, lane.head);
      std::copy(y, y + v_width, state.out.data() + i * v_width);
      state.top[size_t(i)] = lse[position];
      state.sum[size_t(i)] = lse[position] == kMinusInfinity<T> ? T(0) : T(1);
    }
    for_key_tiles(lane, query, rows, [&](const Tile& tile) {
      gemm(1, rows, tile.columns, qk_width, T(op.scale),
           Matrix<T>{q.data() + query * qk_width, qk_width},
           Matrix<T>{k.data() + tile.key * qk_width, qk_width, Transpose::kYes}, T(0),
           logits.data(), kKeyTile);
      for (int64_t i = 0; i < rows; ++i) {
        online_softmax_row(logits.data() + i * kKeyTile, tile.columns, tile.seen(lane, i),
                           &state.top[size_t(i)], &state.sum[size_t(i)],
                           state.out.data() + i * v_width, v_width);
      }
      gemm(1, rows, v_width, tile.columns, T(1), Matrix<T>{logits.data(), kKeyTile},
           Matrix<T>{v.data() + tile.key * v_width, v_width}, T(1), state.out.data(), v_width);
    });
    for (int64_t i = 0; i < rows; ++i) {
      const T sum = state.sum[size_t(i)];
      if (sum == 0) continue;  // no key so far: y and lse stay as they are
      const int64_t position = lane.query_position(query + i);
      T* y = row_at<T>(op.y, lane.batch, position, lane.head);
      for (int64_t j = 0; j < v_width; ++j) y[j] = state.out[size_t(i * v_width + j)] / sum;
      lse[position] = state.top[size_t(i)] + std::log(sum);
    }
  }
}

template <class T>
void forward(Queue& queue, const AttentionForward& op) {
  const int64_t batch = op.y.size(0), length = op.y.size(1), heads = op.y.size(2);
  parallel_chunks(queue, batch * length, 256, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t h = 0; h < heads; ++h) {
        T* y = row_at<T>(op.y, i / length, i % length, h);
        std::fill(y, y + op.y.size(3), T(0));
      }
    }
  });
  T* lse = op.lse.data<T>();
  std::fill(lse, lse + op.lse.count(), kMinusInfinity<T>);
  for (size_t rank = 0; rank < most_passes(*op.passes); ++rank) {
    const std::vector<Lane> lanes = lanes_of(*op.passes, batch, rank);
    parallel_for(queue, static_cast<int64_t>(lanes.size()),
                 [&](int64_t item) { forward_lane<T>(op, lanes[size_t(item)]); });
  }
}

}  // namespace

void run(Backend, Queue& queue, const AttentionForward& op) {
  with_float_type(op.y.dtype(), "AttentionForward",
                  [&](auto t) { forward<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
