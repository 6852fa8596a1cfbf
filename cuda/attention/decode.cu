// Attention of one new position of each sequence over a cache (kernels/attention_decode.h). A block
// has one head of one sequence: it stores the new key and value in their slot, then the keys that
// the passes reach are taken by turns by groups of eight lanes, each with a running maximum, sum
// and weighted value in f32 (q and k in f32, as the paper samples); warps join theirs by shuffles,
// the block in a fixed order. Bound by the rows of the cache that are read, (D_qk + D_v) size bytes
// a key, and for few sequences by the latency of one row after another: hence many groups, and
// kAhead keys of each under way. Tables on the device, made once per set of passes: the slots of
// each distinct head's keys in the order of its passes, and for every position which of them it
// sees.
#include <cmath>
#include <type_traits>

#include "attention/tables.h"
#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/attention_decode.h"
#include "lacuna/kernels/gpu_limits.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 512, kWarps = kThreads / 32;
constexpr int kGroupLanes = 8, kGroupsOfWarp = 32 / kGroupLanes;
constexpr int kAhead = 2;
constexpr int kWidestHead = static_cast<int>(kLimits.head_width);

/// Where the keys that a position sees in a pass lie in HeadTable::ordered.
struct Range {
  int32_t begin, end;
};

struct HeadTable {
  const Range* seen;       // [passes, T]
  const int32_t* ordered;  // slots of keys, pass by pass and lane by lane
  const int32_t* slots;    // [T]
  int64_t passes;
};

static_assert(sizeof(HeadTable) == attention::kDecodeHeadBytes);

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

/// What a group has seen; the weighted sum of values lies spread over its lanes.
template <int kElements>
struct Running {
  float highest = -INFINITY, sum = 0;
  float value[kElements] = {};

  __device__ void rescale(float to) {
    const float factor = highest == -INFINITY ? 0.0F : __expf(highest - to);
    sum *= factor;
#pragma unroll
    for (int e = 0; e < kElements; ++e) value[e] *= factor;
    highest = to;
  }
  /// With what the group `offset` lanes away has seen.
  __device__ void join(int offset) {
    const float other = __shfl_xor_sync(0xFFFFFFFFu, highest, offset);
    const float top = fmaxf(highest, other);
    if (top > -INFINITY) rescale(top);
    sum += __shfl_xor_sync(0xFFFFFFFFu, sum, offset);
#pragma unroll
    for (int e = 0; e < kElements; ++e) {
      value[e] += __shfl_xor_sync(0xFFFFFFFFu, value[e], offset);
    }
  }
};

// A lane has kPacks packs of kPack neighbours of each row: pack k of part p of a group begins at
// column (k * kGroupLanes + p) * kPack.
template <class T, int kPack, int kPacks>
__global__ __launch_bounds__(kThreads) void attention_decode_kernel(Arguments<T> a) {
  follow_previous();
  constexpr int kElements = kPack * kPacks;
  const int64_t head = blockIdx.x, batch = blockIdx.y, position = a.state->position;
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int group = lane / kGroupLanes, part = lane % kGroupLanes;
  const auto column = [&](int k) { return (k * kGroupLanes + part) * kPack; };
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

  float q[kElements];
#pragma unroll
  for (int e = 0; e < kElements; ++e) {
    const int j = column(e / kPack) + e % kPack;
    q[e] = j < a.qk ? to_f32(a.q.at(batch, head)[j]) * a.scale : 0.0F;
  }
  Running<kElements> mine;
  for (int64_t pass = 0; pass < table.passes; ++pass) {
    const Range seen = table.seen[pass * a.length + position];
    // The same number of turns for all lanes of a warp, which shuffle together.
    for (int first = seen.begin + warp * kGroupsOfWarp; first < seen.end;
         first += kAhead * kWarps * kGroupsOfWarp) {
      bool is_there[kAhead];
      Pack<T, kPack> key[kAhead][kPacks], value[kAhead][kPacks];
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        const int i = first + group + u * kWarps * kGroupsOfWarp;
        is_there[u] = i < seen.end;
        const int64_t slot = is_there[u] ? table.ordered[i] : 0;
#pragma unroll
        for (int k = 0; k < kPacks; ++k) {
          if (column(k) < a.qk) key[u][k] = load<kPack>(keys + slot * a.qk + column(k));
          if (column(k) < a.vw) value[u][k] = load<kPack>(values + slot * a.vw + column(k));
        }
      }
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        float dot = 0;
#pragma unroll
        for (int e = 0; e < kElements; ++e) {
          if (column(e / kPack) < a.qk)
            dot = fmaf(q[e], to_f32(key[u][e / kPack].at[e % kPack]), dot);
        }
#pragma unroll
        for (int offset = kGroupLanes / 2; offset > 0; offset /= 2) {
          dot += __shfl_xor_sync(0xFFFFFFFFu, dot, offset);
        }
        if (!is_there[u]) continue;
        if (dot > mine.highest) mine.rescale(dot);
        const float weight = __expf(dot - mine.highest);
        mine.sum += weight;
#pragma unroll
        for (int e = 0; e < kElements; ++e) {
          if (column(e / kPack) >= a.vw) continue;
          mine.value[e] = fmaf(weight, to_f32(value[u][e / kPack].at[e % kPack]), mine.value[e]);
        }
      }
    }
  }
  for (int offset = kGroupLanes; offset < 32; offset *= 2) mine.join(offset);

  __shared__ float highests[kWarps], sums[kWarps], parts[kWarps][kWidestHead];
  if (lane == 0) {
    highests[warp] = mine.highest;
    sums[warp] = mine.sum;
  }
#pragma unroll
  for (int e = 0; e < kElements; ++e) {
    const int j = column(e / kPack) + e % kPack;
    if (group == 0 && j < a.vw) parts[warp][j] = mine.value[e];
  }
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
    a.y.at(batch, head)[j] = from_f32<T>(sum == 0 ? 0.0F : value / sum);
  }
}

template <class T>
Tensor uploaded(GpuStream& stream, const std::vector<T>& values) {
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  Tensor made = stream.allocate({bytes}, DType::kU8);
  if (bytes > 0) stream.upload(made.view().raw(), values.data(), static_cast<size_t>(bytes));
  return made;
}

// Appends the slots of a pass's keys to `ordered` and what each position sees of them to `seen`.
void add_pass(const sparse::Pass& pass, const std::vector<int32_t>& slot_of,
              std::vector<int32_t>& ordered, std::vector<Range>& seen) {
  std::vector<int32_t> first_of_lane;
  for (int64_t lane = 0; lane < pass.lanes; ++lane) {
    first_of_lane.push_back(static_cast<int32_t>(ordered.size()));
    for (int64_t i = 0; i < pass.key_count(lane); ++i) {
      ordered.push_back(slot_of[static_cast<size_t>(pass.keys.position(lane, i))]);
    }
  }
  for (int64_t position = 0; position < pass.length; ++position) {
    const auto place = pass.queries.lane_index_of(position, pass.lanes);
    if (!place) {
      seen.push_back({0, 0});
      continue;
    }
    const sparse::Interval range = pass.interval(place->lane, place->i);
    const int32_t first = first_of_lane[static_cast<size_t>(place->lane)];
    seen.push_back(
        {first + static_cast<int32_t>(range.begin), first + static_cast<int32_t>(range.end)});
  }
}

HeadTable table_of(GpuStream& stream, const std::vector<sparse::Pass>& passes,
                   const sparse::CacheSlots& slots, Tables& tables) {
  std::vector<Range> seen;
  std::vector<int32_t> ordered;
  for (const sparse::Pass& pass : passes) add_pass(pass, slots.slot_of, ordered, seen);
  const size_t first = tables.memory.size();
  tables.memory.push_back(uploaded(stream, seen));
  tables.memory.push_back(uploaded(stream, ordered));
  tables.memory.push_back(uploaded(stream, slots.slot_of));
  const auto at = [&](size_t k) { return tables.memory[first + k].view().raw(); };
  return {static_cast<const Range*>(at(0)), static_cast<const int32_t*>(at(1)),
          static_cast<const int32_t*>(at(2)), static_cast<int64_t>(passes.size())};
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
    int64_t bytes = made->heads.view().bytes();
    for (const Tensor& memory : made->memory) bytes += memory.view().bytes();
    const auto length = static_cast<int64_t>(slots.at(0).slot_of.size());
    require(bytes == static_cast<int64_t>(attention::decode_table_bytes(passes, length)),
            "AttentionDecode", "the tables have other bytes than are counted");
    return made;
  });
}

template <class T>
Rows<T> rows_of(const View& x, int batch_dim, int head_dim) {
  require(x.dtype() == StoredAs<std::remove_const_t<T>>::value && x.stride(3) == 1,
          "AttentionDecode", "a view has another type, or rows that are not contiguous");
  return {static_cast<T*>(x.raw()), x.stride(batch_dim), x.stride(head_dim)};
}

/// Calls body(Constant<kPack>, Constant<kPacks>) with what holds rows of both widths.
template <class T, class Body>
void with_row_packs(const View& keys, const View& values, const Body& body) {
  const int64_t qk = keys.size(3), vw = values.size(3);
  // qk | vw is a multiple of a power of two when both are.
  with_pack_width<kVector<T>>(qk | vw, {keys.raw(), values.raw()}, [&](auto pack) {
    constexpr int kPack = decltype(pack)::value;
    if constexpr (kPack > 1) {
      if (std::max(qk, vw) <= kWidestHead / 2) {
        return body(pack, Constant<kWidestHead / 2 / kGroupLanes / kPack>{});
      }
    }
    body(pack, Constant<kWidestHead / kGroupLanes / kPack>{});
  });
}

}  // namespace

void run(Backend, Queue& queue, const AttentionDecode& op) {
  GpuStream& stream = gpu(queue);
  const Tables& tables = tables_of(stream, *op.passes, *op.slots);
  const auto qk = static_cast<int>(op.q.size(3)), vw = static_cast<int>(op.v.size(3));
  require(qk <= kWidestHead && vw <= kWidestHead, "AttentionDecode",
          "heads are wider than kLimits (kernels/gpu_limits.h)");
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
                                 .qk = qk,
                                 .vw = vw,
                                 .scale = static_cast<float>(op.scale)};
    with_row_packs<T>(op.keys, op.values, [&](auto pack, auto packs) {
      launch_kernel(stream, "attention_decode_kernel", attention_decode_kernel<T, pack, packs>,
                    grid, kThreads, 0, arguments);
    });
  });
}

}  // namespace lacuna::cuda
