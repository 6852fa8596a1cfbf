// Backward attention. The weights are made again from the logits and lse; with p the weights,
//   delta_i = sum_j dy_ij y_ij,  dp = dy v^T,  ds = p * (dp - delta) * scale,
//   dv = p^T dy,  dk = ds^T q,  dq = ds k.
// A lane owns its positions, so its sums are added to dq, dk and dv without locks, in a fixed
// order.
#include "attention_lane.h"
#include "dispatch.h"
#include "gemm.h"
#include "math.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

// One tile: logits -> weights p (in place), dp -> ds (in place); zero where nothing is seen.
template <class T>
void tile_gradients(const Lane& lane, const Tile& tile, const T* lse, const T* delta, T scale,
                    T* logits, T* dp) {
  for (int64_t i = 0; i < tile.rows; ++i) {
    const auto seen = tile.seen(lane, i);
    const int64_t begin = seen.first, end = seen.second;
    T *p = logits + i * kKeyTile, *ds = dp + i * kKeyTile;
    std::fill(p, p + begin, T(0));
    std::fill(ds, ds + begin, T(0));
    const T shift = lse[i], centre = delta[i];
#pragma omp simd
    for (int64_t j = begin; j < end; ++j) {
      p[j] = exponential(p[j] - shift);
      ds[j] = p[j] * (ds[j] - centre) * scale;
    }
    std::fill(p + end, p + tile.columns, T(0));
    std::fill(ds + end, ds + tile.columns, T(0));
  }
}

template <class T>
void add_rows(const View& to, const Lane& lane, const std::vector<T>& rows, bool of_queries) {
  const int64_t width = to.size(3), count = of_queries ? lane.queries : lane.keys;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t position = of_queries ? lane.query_position(i) : lane.key_position(i);
    T* row = row_at<T>(to, lane.batch, position, lane.head);
    for (int64_t j = 0; j < width; ++j) row[j] += rows[size_t(i * width + j)];
  }
}

template <class T>
void backward_lane(const AttentionBackward& op, const Lane& lane) {
  const int64_t qk = op.q.size(3), vw = op.v.size(3), length = op.y.size(1);
  const std::vector<T> q = gather_queries<T>(op.q, lane), dy = gather_queries<T>(op.dy, lane);
  const std::vector<T> k = gather_keys<T>(op.k, lane), v = gather_keys<T>(op.v, lane);
  std::vector<T> dq(q.size()), dk(k.size()), dv(v.size());
  std::vector<T> logits(static_cast<size_t>(kQueryTile * kKeyTile)), dp(logits.size());
  std::vector<T> lse(kQueryTile), delta(kQueryTile);
  const int64_t statistics = (lane.batch * op.y.size(2) + lane.head) * length;
  for (int64_t query = 0; query < lane.queries; query += kQueryTile) {
    const int64_t rows = std::min(kQueryTile, lane.queries - query);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t at = statistics + lane.query_position(query + i);
      lse[size_t(i)] = op.lse.data<T>()[at];
      delta[size_t(i)] = op.delta.data<T>()[at];
    }
    const Matrix<T> q_rows{q.data() + query * qk, qk}, dy_rows{dy.data() + query * vw, vw};
    for_key_tiles(lane, query, rows, [&](const Tile& tile) {
      const T *k_rows = k.data() + tile.key * qk, *v_rows = v.data() + tile.key * vw;
      const Matrix<T> p{logits.data(), kKeyTile, Transpose::kYes};
      const Matrix<T> ds{dp.data(), kKeyTile}, ds_t{dp.data(), kKeyTile, Transpose::kYes};
      gemm(1, rows, tile.columns, qk, T(op.scale), q_rows, Matrix<T>{k_rows, qk, Transpose::kYes},
           T(0), logits.data(), kKeyTile);
      gemm(1, rows, tile.columns, vw, T(1), dy_rows, Matrix<T>{v_rows, vw, Transpose::kYes}, T(0),
           dp.data(), kKeyTile);
      tile_gradients(lane, tile, lse.data(), delta.data(), T(op.scale), logits.data(), dp.data());
      gemm(1, tile.columns, vw, rows, T(1), p, dy_rows, T(1), dv.data() + tile.key * vw, vw);
      gemm(1, tile.columns, qk, rows, T(1), ds_t, q_rows, T(1), dk.data() + tile.key * qk, qk);
      gemm(1, rows, qk, tile.columns, T(1), ds, Matrix<T>{k_rows, qk}, T(1), dq.data() + query * qk,
           qk);
    });
  }
  add_rows(op.dq, lane, dq, true);
  add_rows(op.dk, lane, dk, false);
  add_rows(op.dv, lane, dv, false);
}

// delta = rowsum(dy * y); dq = dk = dv = 0.
template <class T>
void prepare(Queue& queue, const AttentionBackward& op) {
  const int64_t batch = op.y.size(0), length = op.y.size(1), heads = op.y.size(2);
  parallel_chunks(queue, batch * length, 256, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / length, t = i % length;
      for (int64_t h = 0; h < heads; ++h) {
        const T *y = row_at<T>(op.y, b, t, h), *dy = row_at<T>(op.dy, b, t, h);
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < op.y.size(3); ++j) sum += y[j] * dy[j];
        op.delta.data<T>()[(b * heads + h) * length + t] = sum;
        for (const View* to : {&op.dq, &op.dk, &op.dv}) {
          T* row = row_at<T>(*to, b, t, h);
          std::fill(row, row + to->size(3), T(0));
        }
      }
    }
  });
}

template <class T>
void backward(Queue& queue, const AttentionBackward& op) {
  prepare<T>(queue, op);
  for (size_t rank = 0; rank < most_passes(*op.passes); ++rank) {
    const std::vector<Lane> lanes = lanes_of(*op.passes, op.y.size(0), rank);
    parallel_for(queue, static_cast<int64_t>(lanes.size()),
                 [&](int64_t item) { backward_lane<T>(op, lanes[size_t(item)]); });
  }
}

}  // namespace

void run(Backend, Queue& queue, const AttentionBackward& op) {
  with_float_type(op.dy.dtype(), "AttentionBackward",
                  [&](auto t) { backward<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
