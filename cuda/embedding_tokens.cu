// dtoken[tokens[b, t-1]] += dy[b, t], without atomics: the rows of dy are sorted by token (stable,
// so each token's rows stay in order), then summed run by run. Where the workspace is too small to
// sort all of them, it is done for one part of the rows after the other (scratch.h).
//   sort    least digit first, 8 bits a pass (one pass up to 256 tokens): ranks within chunks of
//           256 entries and counts per (digit, chunk); a scan of the counts; the scatter
//   sum     pieces of the sorted list, a thread per pack of columns: runs that lie within a piece
//           go to dtoken, the first and the last of a piece, where they cross its border, to
//           scratch memory
//   join    runs that cross borders are added in the order of the pieces
// Reads dy once by whole rows, N C size bytes, and moves about 20 N bytes for the sort. Bound by
// loads that wait for each other (a row's place in dy, then the row), so places are read early.
#include <algorithm>

#include "device/elements.cuh"
#include "dispatch.h"
#include "embedding_tokens.h"
#include "lacuna/kernels/gpu_limits.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kChunk = TokenSort::kChunk, kDigits = TokenSort::kDigits, kDigitBits = 8;
constexpr int kLanes = 64, kPieceGroups = 2, kAhead = 8;
constexpr int kJoinLanes = 128, kJoinAhead = 8;

/// The entries that are sorted: rows b*T + t of dy with t >= 1, from the first-th such row on.
struct Entries {
  const int32_t* tokens;
  const int32_t* order;  // null: as they come
  int first, count, length;

  __device__ int row(int entry) const {
    if (order != nullptr) return order[entry];
    const int of_all = first + entry;
    return of_all / (length - 1) * length + of_all % (length - 1) + 1;
  }
  __device__ int token(int row) const { return tokens[row - 1]; }
};

/// Exclusive sum over the kChunk threads of a block; total: of all.
__device__ int block_scan(int value, int* total) {
  __shared__ int sums[kChunk / 32];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  int sum = value;
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    const int before = __shfl_up_sync(0xFFFFFFFFu, sum, offset);
    if (lane >= offset) sum += before;
  }
  __syncthreads();  // the sums before are read
  if (lane == 31) sums[warp] = sum;
  __syncthreads();
  int all = 0, base = 0;
#pragma unroll
  for (int i = 0; i < kChunk / 32; ++i) {
    if (i == warp) base = all;
    all += sums[i];
  }
  *total = all;
  return base + sum - value;
}

/// Digit of this thread's entry (-1: none), how often it came before in the chunk, and in all.
struct Rank {
  int row, digit, before, in_chunk;
};

// Within a warp by comparing lanes, beyond it by what each warp counted.
__device__ Rank rank_in_chunk(const Entries& entries, int shift) {
  constexpr int kWarps = kChunk / 32;
  __shared__ uint8_t in_warp[kWarps][kDigits];
  const int mine = static_cast<int>(threadIdx.x), warp = mine / 32;
  const int entry = static_cast<int>(blockIdx.x) * kChunk + mine;
  for (int i = mine; i < kWarps * kDigits; i += kChunk) in_warp[i / kDigits][i % kDigits] = 0;
  Rank rank{0, -1, 0, 0};
  if (entry < entries.count) {
    rank.row = entries.row(entry);
    rank.digit = entries.token(rank.row) >> shift & (kDigits - 1);
  }
  const unsigned same = __match_any_sync(0xFFFFFFFFu, rank.digit);
  rank.before = __popc(same & ((1U << mine % 32) - 1));
  __syncthreads();
  if (rank.digit >= 0 && rank.before == 0) {
    in_warp[warp][rank.digit] = static_cast<uint8_t>(__popc(same));
  }
  __syncthreads();
  if (rank.digit < 0) return rank;
#pragma unroll
  for (int i = 0; i < kWarps; ++i) {
    const int count = in_warp[i][rank.digit];
    rank.in_chunk += count;
    if (i < warp) rank.before += count;
  }
  return rank;
}

__global__ __launch_bounds__(kChunk) void count_digits_kernel(Entries entries, int shift,
                                                              int* counts) {
  follow_previous();
  __shared__ int in_chunk[kDigits];
  in_chunk[threadIdx.x] = 0;
  const Rank rank = rank_in_chunk(entries, shift);  // has a barrier
  if (rank.digit >= 0 && rank.before == 0) in_chunk[rank.digit] = rank.in_chunk;
  __syncthreads();
  counts[int64_t{threadIdx.x} * gridDim.x + blockIdx.x] = in_chunk[threadIdx.x];
}

// Block d: counts of digit d become the sums over the chunks before; totals[d] the sum of all.
__global__ __launch_bounds__(kChunk) void scan_counts_kernel(int* counts, int chunks, int* totals) {
  follow_previous();
  int* of_digit = counts + int64_t{blockIdx.x} * chunks;
  int base = 0;
  for (int first = 0; first < chunks; first += kChunk) {
    const int chunk = first + static_cast<int>(threadIdx.x);
    int total = 0;
    const int before = block_scan(chunk < chunks ? of_digit[chunk] : 0, &total);
    if (chunk < chunks) of_digit[chunk] = base + before;
    base += total;
  }
  if (threadIdx.x == 0) totals[blockIdx.x] = base;
}

__global__ __launch_bounds__(kChunk) void scatter_rows_kernel(Entries entries, int shift,
                                                              const int* counts, const int* totals,
                                                              int* order) {
  follow_previous();
  __shared__ int begins[kDigits];
  int all = 0;
  begins[threadIdx.x] = block_scan(totals[threadIdx.x], &all);
  const Rank rank = rank_in_chunk(entries, shift);  // has a barrier
  if (rank.digit < 0) return;
  const int in_chunks_before = counts[int64_t{rank.digit} * gridDim.x + blockIdx.x];
  order[begins[rank.digit] + in_chunks_before + rank.before] = rank.row;
}

/// Sums of runs that cross borders: heads began in an earlier piece, tails go on in the next.
struct Borders {
  float *heads, *tails;  // [pieces, C]
  int* first_tokens;     // [pieces]
  int* open_tokens;      // [pieces], of a run that begins in the piece and goes on; -1: none
  int pieces, entries;   // entries: of a piece
};

// Thread (x, y) of a block sums columns x of piece y.
template <class T, int kPack>
__global__ __launch_bounds__(kLanes* kPieceGroups) void sum_runs_kernel(Entries sorted, const T* dy,
                                                                        float* dtoken, int width,
                                                                        Borders borders) {
  follow_previous();
  const int column = static_cast<int>(blockIdx.x * kLanes + threadIdx.x) * kPack;
  const int piece = static_cast<int>(blockIdx.y * kPieceGroups + threadIdx.y);
  if (column >= width || piece >= borders.pieces) return;
  const int begin = piece * borders.entries, end = min(begin + borders.entries, sorted.count);
  int token = sorted.token(sorted.row(begin));
  if (column == 0) borders.first_tokens[piece] = token;
  bool is_head = begin > 0 && sorted.token(sorted.row(begin - 1)) == token;
  float sums[kPack] = {};
  const auto flush = [&](float* to, bool adds) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      to[i] = adds ? to[i] + sums[i] : sums[i];
      sums[i] = 0;
    }
  };
  const auto place = [&](float* rows, int row) { return rows + int64_t{row} * width + column; };
  int rows[kAhead];  // known before their turn comes
  const auto find_rows = [&](int first) {
#pragma unroll
    for (int k = 0; k < kAhead; ++k) rows[k] = first + k < end ? sorted.row(first + k) : 0;
  };
  find_rows(begin);
  for (int first = begin; first < end; first += kAhead) {
    int tokens[kAhead];
    Pack<T, kPack> packs[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (first + k >= end) continue;
      tokens[k] = sorted.token(rows[k]);
      packs[k] = load<kPack>(dy + int64_t{rows[k]} * width + column);
    }
    find_rows(first + kAhead);
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (first + k >= end) continue;
      if (tokens[k] != token) {
        flush(is_head ? place(borders.heads, piece) : place(dtoken, token), !is_head);
        is_head = false;
        token = tokens[k];
      }
#pragma unroll
      for (int i = 0; i < kPack; ++i) sums[i] += to_f32(packs[k].at[i]);
    }
  }
  const bool goes_on = end < sorted.count && sorted.token(sorted.row(end)) == token;
  if (column == 0) borders.open_tokens[piece] = goes_on && !is_head ? token : -1;
  if (is_head) {
    flush(place(borders.heads, piece), false);
  } else if (goes_on) {
    flush(place(borders.tails, piece), false);
  } else {
    flush(place(dtoken, token), true);
  }
}

// Block (p, y): kJoinLanes columns of a run that begins in piece p and goes on: its tail, then the
// heads of the pieces after.
__global__ __launch_bounds__(kJoinLanes) void join_runs_kernel(float* dtoken, int width,
                                                               Borders borders) {
  follow_previous();
  const int piece = static_cast<int>(blockIdx.x);
  const int column = static_cast<int>(blockIdx.y * kJoinLanes + threadIdx.x);
  const int token = borders.open_tokens[piece];
  if (token < 0 || column >= width) return;
  const auto goes_through = [&](int p) {
    return p < borders.pieces && borders.first_tokens[p] == token;
  };
  float sum = borders.tails[int64_t{piece} * width + column];
  for (int first = piece + 1; goes_through(first); first += kJoinAhead) {
    float heads[kJoinAhead];
#pragma unroll
    for (int k = 0; k < kJoinAhead; ++k) {
      const int p = first + k;
      heads[k] = goes_through(p) ? borders.heads[int64_t{p} * width + column] : 0;
    }
#pragma unroll
    for (int k = 0; k < kJoinAhead; ++k) sum += heads[k];
  }
  dtoken[int64_t{token} * width + column] += sum;
}

/// Sorts the entries by token in scratch memory from *scratch on, which moves behind it.
Entries sort_entries(GpuStream& stream, Entries entries, int64_t classes, int** scratch) {
  const auto chunks = static_cast<unsigned>(divide_up(entries.count, kChunk));
  int* orders[2] = {*scratch, *scratch + entries.count};
  int* counts = orders[1] + entries.count;
  int* totals = counts + int64_t{kDigits} * chunks;
  *scratch = totals + kDigits;
  int pass = 0;
  for (int shift = 0; shift == 0 || classes - 1 >> shift > 0; shift += kDigitBits, ++pass) {
    launch_kernel(stream, "count_digits_kernel", count_digits_kernel, chunks, kChunk, 0, entries,
                  shift, counts);
    launch_kernel(stream, "scan_counts_kernel", scan_counts_kernel, kDigits, kChunk, 0, counts,
                  static_cast<int>(chunks), totals);
    int* order = orders[pass % 2];
    launch_kernel(stream, "scatter_rows_kernel", scatter_rows_kernel, chunks, kChunk, 0, entries,
                  shift, counts, totals, order);
    entries.order = order;
  }
  return entries;
}

/// Adds `count` entries from the first-th on.
template <class T>
void add_round(GpuStream& stream, const EmbeddingBackward& op, const TokenSort& sort, int64_t first,
               int64_t count) {
  constexpr const char* kOp = "EmbeddingBackward";
  const int64_t length = op.dy.size(1), width = op.dy.size(2);
  const int64_t pieces = divide_up(count, sort.piece);
  int* scratch = stream.workspace<int>(sort.ints(width));
  const T* dy = pointer<T>(op.dy, kOp);
  float* dtoken = pointer<float>(op.dtoken, kOp);
  const Entries sorted =
      sort_entries(stream,
                   {pointer<int32_t>(op.tokens, kOp), nullptr, static_cast<int>(first),
                    static_cast<int>(count), static_cast<int>(length)},
                   op.dtoken.size(0), &scratch);
  auto* heads = reinterpret_cast<float*>(scratch);
  int* tokens = reinterpret_cast<int*>(heads + 2 * pieces * width);
  const Borders borders{.heads = heads,
                        .tails = heads + pieces * width,
                        .first_tokens = tokens,
                        .open_tokens = tokens + pieces,
                        .pieces = static_cast<int>(pieces),
                        .entries = static_cast<int>(sort.piece)};
  const auto columns = [&](int pack) {
    return static_cast<unsigned>(divide_up(width, int64_t{kLanes} * pack));
  };
  with_pack_width<kVector<T>>(width, {dy}, [&](auto pack) {
    const dim3 blocks(columns(pack), static_cast<unsigned>(divide_up(pieces, kPieceGroups)));
    launch_kernel(stream, "sum_runs_kernel", sum_runs_kernel<T, pack>, blocks,
                  dim3(kLanes, kPieceGroups), 0, sorted, dy, dtoken, static_cast<int>(width),
                  borders);
  });
  const dim3 blocks(static_cast<unsigned>(pieces),
                    static_cast<unsigned>(divide_up(width, kJoinLanes)));
  launch_kernel(stream, "join_runs_kernel", join_runs_kernel, blocks, kJoinLanes, 0, dtoken,
                static_cast<int>(width), borders);
}

template <class T>
void add_gradients(GpuStream& stream, const EmbeddingBackward& op) {
  const int64_t batch = op.dy.size(0), length = op.dy.size(1), width = op.dy.size(2);
  require(batch * length <= kLimits.tokens, "EmbeddingBackward",
          "more tokens than a sort by 32-bit numbers takes");
  const int64_t count = batch * (length - 1);
  const TokenSort sort = token_sort(count, width, stream.workspace_size());
  for (int64_t first = 0; first < count; first += sort.round) {
    add_round<T>(stream, op, sort, first, std::min(sort.round, count - first));
  }
}

}  // namespace

void add_token_gradients(GpuStream& stream, const EmbeddingBackward& op) {
  if (op.dy.size(1) < 2) return;
  with_activation_type(op.dy.dtype(), "EmbeddingBackward",
                       [&](auto t) { add_gradients<decltype(t)>(stream, op); });
}

}  // namespace lacuna::cuda
