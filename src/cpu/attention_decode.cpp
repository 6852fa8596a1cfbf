// Attention of one position: the slots that its passes reach, per head and in the order of the
// passes; then for each sequence and head the logits, one softmax, and the weighted sum of values.
#include "lacuna/kernels/attention_decode.h"

#include <limits>

#include "attention_lane.h"
#include "dispatch.h"
#include "dot.h"
#include "math.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

constexpr size_t kAhead = 8;

std::vector<int32_t> slots_read(const std::vector<sparse::Pass>& passes,
                                const sparse::CacheSlots& slots, int64_t position) {
  std::vector<int32_t> read;
  for (const sparse::Pass& pass : passes) {
    const auto place = pass.queries.lane_index_of(position, pass.lanes);
    if (!place) continue;
    const sparse::Interval seen = pass.interval(place->lane, place->i);
    for (int64_t key = seen.begin; key < seen.end; ++key) {
      read.push_back(slots.slot_of[size_t(pass.keys.position(place->lane, key))]);
    }
  }
  return read;
}

// The rows of one sequence and head in a cache [B, H, S, D].
template <class T>
T* cached_rows(const View& cache, int64_t batch, int64_t head) {
  return cache.data<T>() + (batch * cache.size(1) + head) * cache.size(2) * cache.size(3);
}

template <class T>
void store(const View& x, const View& cache, int64_t batch, int64_t head, int32_t slot) {
  const int64_t width = x.size(3);
  const T* row = row_at<T>(x, batch, 0, head);
  std::copy(row, row + width, cached_rows<T>(cache, batch, head) + slot * width);
}

// The rows of a column are far apart: asking for them early hides most of the way to memory.
template <class T>
void expect_row(const T* row, int64_t width) {
  for (int64_t j = 0; j < width; j += 64 / int64_t{sizeof(T)}) __builtin_prefetch(row + j);
}

template <class T>
void attend(const AttentionDecode& op, int64_t batch, int64_t head,
            const std::vector<int32_t>& slots) {
  const int64_t qk_width = op.q.size(3), v_width = op.v.size(3);
  T* y = row_at<T>(op.y, batch, 0, head);
  std::fill(y, y + v_width, T(0));
  if (slots.empty()) return;

  const T* q = row_at<T>(op.q, batch, 0, head);
  const T* keys = cached_rows<T>(op.keys, batch, head);
  const T* values = cached_rows<T>(op.values, batch, head);
  std::vector<T> weights(slots.size());
  T highest = -std::numeric_limits<T>::infinity();
  for (size_t n = 0; n < slots.size(); ++n) {
    expect_row(values + slots[n] * v_width, v_width);
    if (n + kAhead < slots.size()) expect_row(keys + slots[n + kAhead] * qk_width, qk_width);
    weights[n] = T(op.scale) * dot(q, keys + slots[n] * qk_width, qk_width);
    highest = std::max(highest, weights[n]);
  }
  T sum = 0;
  for (T& weight : weights) {
    weight = exponential(weight - highest);
    sum += weight;
  }
  for (size_t n = 0; n < slots.size(); ++n) {
    const T* value = values + slots[n] * v_width;
    for (int64_t j = 0; j < v_width; ++j) y[j] = std::fma(weights[n], value[j], y[j]);
  }
  for (int64_t j = 0; j < v_width; ++j) y[j] /= sum;
}

template <class T>
void decode(Queue& queue, const AttentionDecode& op) {
  const int64_t batch = op.y.size(0), heads = op.y.size(2), position = op.state->position;
  std::vector<std::vector<int32_t>> slots;
  int64_t keys = 0;
  for (size_t h = 0; h < static_cast<size_t>(heads); ++h) {
    slots.push_back(slots_read((*op.passes)[h], (*op.slots)[h], position));
    keys += static_cast<int64_t>(slots.back().size());
  }
  const int64_t work = batch * keys * (op.q.size(3) + op.v.size(3));
  parallel_for(work < kWorthAThread ? Queue::cpu(1) : queue, batch * heads, [&](int64_t item) {
    const int64_t b = item / heads, h = item % heads;
    const int32_t own = (*op.slots)[size_t(h)].slot_of[size_t(position)];
    if (own >= 0) {
      store<T>(op.k, op.keys, b, h, own);
      store<T>(op.v, op.values, b, h, own);
    }
    attend<T>(op, b, h, slots[size_t(h)]);
  });
}

}  // namespace

void run(Backend, Queue& queue, const AttentionDecode& op) {
  with_float_type(op.y.dtype(), "AttentionDecode", [&](auto t) { decode<decltype(t)>(queue, op); });
}

}  // namespace lacuna::cpu
