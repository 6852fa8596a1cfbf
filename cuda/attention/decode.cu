// Attention of one new position of each sequence over a cache (kernels/attention_decode.h). A block
// has one head of one sequence: it stores the new key and value in their slot, then its warps take
// the keys that the passes reach by turns, each with a running maximum, sum and weighted value in
// f32 (q and k in f32, as the paper samples), and thread 0's warp joins them in a fixed order.
// Bound by the rows of the cache that are read, (D_qk + D_v) size bytes a key. Tables on the
// device, made once per set of passes: for each distinct head and pass the interval of keys of
// every position, the order of the keys, and the slot of every position.
#include <cmath>
#include <type_traits>

#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/attention_decode.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;
constexpr int kMaxPerLane = 8;  // elements of a row that a lane holds: heads of up to 256

struct Seen {
  int32_t lane, begin, end, unused;
};

struct KeyOrder {
  int64_t offset, lane_stride, run, outer, inner;

  __device__ int64_t position(int64_t lane, int64_t i) const {
    return offset + lane * lane_stride + i / run * outer + i % run * inner;
  }
};

// Of one head: `passes` entries of `orders` and passes * T of `seen`.
struct HeadTable {
  const KeyOrder* orders;
  const Seen* seen;
  const int32_t* slots;  // [T]
  int32_t passes;
};

struct Tables {
  std::vector<Tensor> memory;
  Tensor heads;  // HeadTable of every head
};

template <class T>
struct Rows {  // [B, 1, H, D] or [B, H, S, D]
  T* data;
  int64_t batch_stride, head_stride;
  __device__ T* at(int64_t batch, int64_t head) const {
    return data + batch * batch_stride + head * head_stride;
  }
};

template <class T>
struct Arguments {
  Rows<const T> q, k, v;
  Rows<T> keys, values, y;
  const HeadTable* heads;
  const DecodeState* state;
  int64_t length;
  int qk, vw;
  float scale;
};

// What a warp has seen: the weighted sum of values lies spread over its lanes.
struct Running {
  float highest = -INFINITY, sum = 0;
  float value[kMaxPerLane] = {};
};

template <class T>
__global__ __launch_bounds__(kThreads) void attention_decode_kernel(Arguments<T> a) {
  const int64_t head = blockIdx.x, batch = blockIdx.y, position = a.state->position;
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const HeadTable table = a.heads[head];
  T* keys = a.keys.at(batch, head);
  T* values = a.values.at(batch, head);
  const int32_t own = table.slots[position];
  if (own >= 0) {
    for (int j = static_cast<int>(threadIdx.x); j < a.qk; j += kThreads) {
      keys[int64_t{own} * a.qk + j] = a.k.at(batch, head)[j];
    }
    for (int j = static_cast<int>(threadIdx.x); j < a.vw; j += kThreads) {
      values[int64_t{own} * a.vw + j] = a.v.at(batch, head)[j];
    }
  }
  __syncthreads();

  float q[kMaxPerLane];
#pragma unroll
  for (int e = 0; e < kMaxPerLane; ++e) {
    const int j = e * 32 + lane;
    q[e] = j < a.qk ? to_f32(a.q.at(batch, head)[j]) * a.scale : 0.0F;
  }
  Running mine;
  for (int pass = 0; pass < table.passes; ++pass) {
    const Seen seen = table.seen[pass * a.length + position];
    const KeyOrder order = table.orders[pass];
    for (int64_t i = seen.begin + warp; i < seen.end; i += kWarps) {
      const int64_t slot = table.slots[order.position(seen.lane, i)];
      float dot = 0;
#pragma unroll
      for (int e = 0; e < kMaxPerLane; ++e) {
        const int j = e * 32 + lane;
        if (j < a.qk) dot = fmaf(q[e], to_f32(keys[slot * a.qk + j]), dot);
      }
      dot = warp_sum(dot);
      const float highest = fmaxf(mine.highest, dot);
      const float kept = __expf(mine.highest - highest), weight = __expf(dot - highest);
      mine.sum = mine.sum * kept + weight;
      mine.highest = highest;
#pragma unroll
      for (int e = 0; e < kMaxPerLane; ++e) {
        const int j = e * 32 + lane;
        if (j < a.vw) {
          mine.value[e] = fmaf(weight, to_f32(values[slot * a.vw + j]), mine.value[e] * kept);
        }
      }
    }
  }

  __shared__ float highests[kWarps], sums[kWarps], parts[kWarps][32 * kMaxPerLane];
  if (lane == 0) {
    highests[warp] = mine.highest;
    sums[warp] = mine.sum;
  }
#pragma unroll
  for (int e = 0; e < kMaxPerLane; ++e) parts[warp][e * 32 + lane] = mine.value[e];
  __syncthreads();
  float highest = -INFINITY, sum = 0;
  for (int w = 0; w < kWarps; ++w) highest = fmaxf(highest, highests[w]);
  float factors[kWarps];
  for (int w = 0; w < kWarps; ++w) {
    factors[w] = highests[w] == -INFINITY ? 0.0F : __expf(highests[w] - highest);
    sum += factors[w] * sums[w];
  }
  for (int j = static_cast<int>(threadIdx.x); j < a.vw; j += kThreads) {
    float value = 0;
    for (int w = 0; w < kWarps; ++w) value += factors[w] * parts[w][j];
    a.y.at(batch, head)[j] = from_f32<T>(sum > 0 ? value / sum : 0.0F);
  }
}

template <class T>
Tensor uploaded(GpuStream& stream, const std::vector<T>& values) {
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  Tensor made = stream.allocate({bytes}, DType::kU8);
  if (bytes > 0) stream.upload(made.view().raw(), values.data(), static_cast<size_t>(bytes));
  return made;
}

HeadTable table_of(GpuStream& stream, const std::vector<sparse::Pass>& passes,
                   const sparse::CacheSlots& slots, Tables& tables) {
  const auto length = static_cast<int64_t>(slots.slot_of.size());
  std::vector<Seen> seen;
  std::vector<KeyOrder> orders;
  for (const sparse::Pass& pass : passes) {
    const sparse::Order& keys = pass.keys;
    orders.push_back({keys.offset, keys.lane_stride, keys.run, keys.outer, keys.inner});
    for (int64_t position = 0; position < length; ++position) {
      const auto place = pass.queries.place_of(position, pass.lanes);
      const sparse::Interval range =
          place ? pass.interval(place->lane, place->i) : sparse::Interval{0, 0};
      seen.push_back({static_cast<int32_t>(place ? place->lane : 0),
                      static_cast<int32_t>(range.begin), static_cast<int32_t>(range.end), 0});
    }
  }
  const size_t first = tables.memory.size();
  tables.memory.push_back(uploaded(stream, orders));
  tables.memory.push_back(uploaded(stream, seen));
  tables.memory.push_back(uploaded(stream, slots.slot_of));
  const auto at = [&](size_t k) { return tables.memory[first + k].view().raw(); };
  return {static_cast<const KeyOrder*>(at(0)), static_cast<const Seen*>(at(1)),
          static_cast<const int32_t*>(at(2)), static_cast<int32_t>(passes.size())};
}

static_assert(std::has_unique_object_representations_v<sparse::Pass>,
              "padding would spoil the key");

std::string bytes_of(const std::vector<sparse::Pass>& passes) {
  return {reinterpret_cast<const char*>(passes.data()), passes.size() * sizeof(sparse::Pass)};
}

// The slots follow from the passes, so these alone are the key.
const Tables& tables_of(GpuStream& stream, const HeadPasses& passes, const HeadSlots& slots) {
  std::string key = "attention decode";
  for (const auto& of_head : passes) key += std::to_string(of_head.size()) + bytes_of(of_head);
  return stream.cached<Tables>(key, [&] {
    auto made = std::make_shared<Tables>();
    std::map<std::string, HeadTable> distinct;
    std::vector<HeadTable> heads;
    for (size_t head = 0; head < passes.size(); ++head) {
      const auto [entry, fresh] = distinct.try_emplace(bytes_of(passes[head]));
      if (fresh) entry->second = table_of(stream, passes[head], slots[head], *made);
      heads.push_back(entry->second);
    }
    made->heads = uploaded(stream, heads);
    return made;
  });
}

template <class T>
Rows<T> rows_of(const View& x, int batch_dim, int head_dim) {
  require(x.dtype() == StoredAs<std::remove_const_t<T>>::value && x.stride(3) == 1,
          "AttentionDecode", "a view has another type, or rows that are not contiguous");
  return {static_cast<T*>(x.raw()), x.stride(batch_dim), x.stride(head_dim)};
}

}  // namespace

void run(Backend, Queue& queue, const AttentionDecode& op) {
  GpuStream& stream = gpu(queue);
  const Tables& tables = tables_of(stream, *op.passes, *op.slots);
  require(op.q.size(3) <= 32 * kMaxPerLane && op.v.size(3) <= 32 * kMaxPerLane, "AttentionDecode",
          "heads wider than 256");
  const dim3 grid(static_cast<unsigned>(op.q.size(2)), static_cast<unsigned>(op.q.size(0)));
  with_activation_type(op.y.dtype(), "AttentionDecode", [&](auto type) {
    using T = decltype(type);
    const Arguments<T> arguments{.q = rows_of<const T>(op.q, 0, 2),
                                 .k = rows_of<const T>(op.k, 0, 2),
                                 .v = rows_of<const T>(op.v, 0, 2),
                                 .keys = rows_of<T>(op.keys, 0, 1),
                                 .values = rows_of<T>(op.values, 0, 1),
                                 .y = rows_of<T>(op.y, 0, 2),
                                 .heads = static_cast<const HeadTable*>(tables.heads.view().raw()),
                                 .state = op.state,
                                 .length = static_cast<int64_t>(op.slots->front().slot_of.size()),
                                 .qk = static_cast<int>(op.q.size(3)),
                                 .vw = static_cast<int>(op.v.size(3)),
                                 .scale = static_cast<float>(op.scale)};
    attention_decode_kernel<<<grid, kThreads, 0, stream.stream()>>>(arguments);
  });
  check_launch("attention_decode_kernel");
}

}  // namespace lacuna::cuda
