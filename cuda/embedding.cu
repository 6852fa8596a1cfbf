// The input of the transformer (formula: kernels/embedding.h), tables f32, y and dy: [B, T, C] in T
// (bf16, f16, f32).
//   forward    writes y: N C size bytes (N = B T); the tables come from caches
//   backward   N C size bytes are compulsory; dy is read twice, here for start and positions, and
//              by token (embedding_tokens.cu)
// Forward: a thread works on a pack of columns of one position in four samples. It sums the
// position tables once for all four, and asks for the four rows of the token table together. Blocks
// with the same columns follow each other, so that these columns of the token table stay in the
// first-level caches.
// Backward: a first kernel sums dy over the samples, for each position, into scratch memory in f32,
// for as many columns at a time as fit there. A second one gives each row of a position table the
// sum of the positions that have its digit, in a fixed order.
// A sum of many values first loads a group of them in one loop and then adds them in another, and
// leaves out what is not there instead of adding zeros. In a single loop the compiler adds each
// value as it comes, with two loads under way instead of eight.
// Its share of the rate of a large copy: docs/results/layers.csv.
#include <algorithm>
#include <numeric>

#include "device/elements.cuh"
#include "dispatch.h"
#include "embedding_tokens.h"
#include "lacuna/kernels/embedding.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kLanes = 16, kPositions = 8, kSamples = 4;  // of a block and of a thread, forward
constexpr int kThreads = 256;                             // of a block that sums samples
constexpr int kAhead = 8;                                 // loads under way together, backward
constexpr int kSumLanes = 8;                              // of a block that sums positions

/// The position tables: rows[k] rows each, 0 when absent; position p has row p / inner[k] %
/// rows[k].
struct Tables {
  float* data[kMaxPositionTables];
  int rows[kMaxPositionTables], inner[kMaxPositionTables];

  Tables(const PositionTables& tables, const char* op) {
    int64_t inner_positions = 1;
    for (int k = kMaxPositionTables - 1; k >= 0; --k) {
      const View& table = tables[static_cast<size_t>(k)];
      data[k] = pointer<float>(table, op);
      rows[k] = table.present() ? static_cast<int>(table.size(0)) : 0;
      inner[k] = static_cast<int>(inner_positions);
      if (table.present()) inner_positions *= rows[k];
      require(inner_positions < INT32_MAX, op, "position tables for more than 2^31 positions");
    }
  }
  int all_rows() const { return rows[0] + rows[1] + rows[2]; }
};

template <class T, int kPack>
__global__ __launch_bounds__(kLanes* kPositions) void embedding_forward_kernel(
    const int32_t* tokens, const float* token, const float* start, Tables tables, T* y, int batch,
    int length, int width) {
  follow_previous();
  const int t = static_cast<int>(blockIdx.x * kPositions + threadIdx.y);
  const int column = static_cast<int>(blockIdx.z * kLanes + threadIdx.x) * kPack;
  const int first = static_cast<int>(blockIdx.y) * kSamples;
  if (t >= length || column >= width) return;
  int rows[kSamples];  // of the token table
#pragma unroll
  for (int k = 0; k < kSamples; ++k) {
    rows[k] = t > 0 && first + k < batch ? tokens[(first + k) * length + t - 1] : -1;
  }
  Pack<float, kPack> of_tables[kMaxPositionTables];
#pragma unroll
  for (int k = 0; k < kMaxPositionTables; ++k) {
    if (t == 0 || tables.rows[k] == 0) continue;
    const int row = (t - 1) / tables.inner[k] % tables.rows[k];
    of_tables[k] = load<kPack>(tables.data[k] + int64_t{row} * width + column);
  }
  Pack<float, kPack> sums[kSamples], fixed{};
#pragma unroll
  for (int k = 0; k < kSamples; ++k) {
    sums[k] = {};
    if (rows[k] >= 0) sums[k] = load<kPack>(token + int64_t{rows[k]} * width + column);
  }
  if (t == 0) fixed = load<kPack>(start + column);
#pragma unroll
  for (int k = 0; k < kMaxPositionTables; ++k) {
    if (t == 0 || tables.rows[k] == 0) continue;
#pragma unroll
    for (int i = 0; i < kPack; ++i) fixed.at[i] += of_tables[k].at[i];
  }
#pragma unroll
  for (int k = 0; k < kSamples; ++k) {
    if (first + k >= batch) break;
    Pack<T, kPack> rounded;
#pragma unroll
    for (int i = 0; i < kPack; ++i) rounded.at[i] = from_f32<T>(sums[k].at[i] + fixed.at[i]);
    store<kPack>(y + (int64_t{first + k} * length + t) * width + column, rounded);
  }
}

// sums[t - 1] = sum over the samples of dy[b, t], columns [first_column, first_column + columns);
// for t = 0 it is added to dstart.
template <class T, int kPack>
__global__ __launch_bounds__(kThreads) void sum_samples_kernel(const T* dy, float* sums,
                                                               float* dstart, int batch,
                                                               int positions, int64_t length,
                                                               int64_t width, int first_column,
                                                               int columns) {
  follow_previous();
  const unsigned packs = static_cast<unsigned>(columns / kPack);
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  const int t = static_cast<int>(i / packs), column = static_cast<int>(i % packs) * kPack;
  if (t >= positions) return;
  Pack<float, kPack> sum{};
  for (int first = 0; first < batch; first += kAhead) {
    Pack<T, kPack> more[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const int64_t b = first + k;
      if (b < batch) more[k] = load<kPack>(dy + (b * length + t) * width + first_column + column);
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (first + k >= batch) continue;
#pragma unroll
      for (int j = 0; j < kPack; ++j) sum.at[j] += to_f32(more[k].at[j]);
    }
  }
  if (t > 0) return store<kPack>(sums + int64_t{t - 1} * columns + column, sum);
#pragma unroll
  for (int j = 0; j < kPack; ++j) dstart[first_column + column + j] += sum.at[j];
}

// The blocks, `across` for each row of a table, have kSumLanes packs of columns each. Thread row i
// takes every kSumRows-th of the positions with the row's digit. One dimension of blocks, since a
// table may have more rows than the other dimensions of a grid count.
template <int kPack, int kSumRows>
__global__ __launch_bounds__(kSumLanes* kSumRows) void sum_positions_kernel(
    const float* sums, float* table, unsigned rows, unsigned inner, unsigned positions,
    unsigned across, int64_t width, int first_column, int columns) {
  follow_previous();
  __shared__ float staged[kSumRows][kSumLanes * kPack + 1];
  const unsigned row = blockIdx.x / across, column_block = blockIdx.x % across;
  const unsigned most = divide_up(positions, rows * inner) * inner;  // with the digit
  const auto position = [&](unsigned i) {                            // the i-th of them
    return i < most ? (i / inner * rows + row) * inner + i % inner : positions;
  };
  const int column = static_cast<int>(column_block * kSumLanes + threadIdx.x) * kPack;
  float sum[kPack] = {};
  for (unsigned first = threadIdx.y; column < columns && first < most; first += kAhead * kSumRows) {
    Pack<float, kPack> more[kAhead];
#pragma unroll
    for (unsigned i = 0; i < kAhead; ++i) {
      const unsigned p = position(first + i * kSumRows);
      if (p >= positions) continue;
      more[i] = load<kPack>(sums + int64_t{p} * columns + column);
    }
#pragma unroll
    for (unsigned i = 0; i < kAhead; ++i) {
      if (position(first + i * kSumRows) >= positions) continue;
#pragma unroll
      for (int j = 0; j < kPack; ++j) sum[j] += more[i].at[j];
    }
  }
#pragma unroll
  for (int j = 0; j < kPack; ++j) staged[threadIdx.y][threadIdx.x * kPack + j] = sum[j];
  __syncthreads();
  const int mine = static_cast<int>(threadIdx.y * kSumLanes + threadIdx.x);
  const int target = static_cast<int>(column_block) * kSumLanes * kPack + mine;
  if (mine >= kSumLanes * kPack || target >= columns) return;
  float total = 0;
#pragma unroll
  for (int i = 0; i < kSumRows; ++i) total += staged[i][mine];
  table[row * width + first_column + target] += total;
}

template <class T>
void forward(GpuStream& stream, const EmbeddingForward& op) {
  constexpr const char* kOp = "EmbeddingForward";
  const int64_t batch = op.y.size(0), length = op.y.size(1), width = op.y.size(2);
  const Tables tables(op.position, kOp);
  const float *token = pointer<float>(op.token, kOp), *start = pointer<float>(op.start, kOp);
  T* y = pointer<T>(op.y, kOp);
  require(batch * length < INT32_MAX, kOp, "more tokens than 32-bit numbers count");
  with_pack_width<kVector<T>>(
      width, {y, token, start, tables.data[0], tables.data[1], tables.data[2]}, [&](auto pack) {
        const dim3 blocks(static_cast<unsigned>(divide_up(length, kPositions)),
                          static_cast<unsigned>(divide_up(batch, kSamples)),
                          static_cast<unsigned>(divide_up(width, int64_t{kLanes} * pack)));
        launch_kernel(stream, "embedding_forward_kernel", embedding_forward_kernel<T, pack>, blocks,
                      dim3(kLanes, kPositions), 0, pointer<int32_t>(op.tokens, kOp), token, start,
                      tables, y, static_cast<int>(batch), static_cast<int>(length),
                      static_cast<int>(width));
      });
}

/// Calls body(Constant<..>) with the thread rows of a block that sums so many positions for each
/// row of its table.
template <class Body>
void with_sum_rows(int64_t positions, const Body& body) {
  if (positions <= 512) return body(Constant<16>{});
  body(Constant<128>{});
}

template <class T>
void add_position_gradients(GpuStream& stream, const EmbeddingBackward& op) {
  constexpr const char* kOp = "EmbeddingBackward";
  const int64_t batch = op.dy.size(0), length = op.dy.size(1), width = op.dy.size(2);
  const Tables tables(op.dposition, kOp);
  const int64_t positions = tables.all_rows() > 0 ? length : 1;
  const T* dy = pointer<T>(op.dy, kOp);
  float* dstart = pointer<float>(op.dstart, kOp);
  const int64_t most = position_sums(positions, width, stream.workspace_size()).columns;
  require(batch * length < INT32_MAX && positions * most < INT32_MAX, kOp,
          "more tokens than 32-bit numbers count");
  for (int64_t first = 0; first < width; first += most) {
    const int64_t columns = std::min(most, width - first);
    float* sums = stream.workspace<float>(positions * columns);  // at most position_sums().bytes()
    with_pack_width<kVector<T>>(std::gcd(width, columns), {dy}, [&](auto pack) {
      const int64_t blocks = divide_up(positions * (columns / pack), kThreads);
      launch_kernel(stream, "sum_samples_kernel", sum_samples_kernel<T, pack>,
                    static_cast<unsigned>(blocks), kThreads, 0, dy, sums, dstart,
                    static_cast<int>(batch), static_cast<int>(positions), length, width,
                    static_cast<int>(first), static_cast<int>(columns));
    });
    if (positions == 1) continue;
    for (int k = 0; k < kMaxPositionTables; ++k) {
      if (tables.rows[k] == 0) continue;
      with_pack_width<4>(columns, {sums}, [&](auto pack) {
        with_sum_rows(positions / tables.rows[k], [&](auto rows) {
          const int64_t across = divide_up(columns, int64_t{kSumLanes} * pack);
          require(across * tables.rows[k] < INT32_MAX, kOp, "more rows than a launch has blocks");
          launch_kernel(stream, "sum_positions_kernel", sum_positions_kernel<pack, rows>,
                        static_cast<unsigned>(across * tables.rows[k]), dim3(kSumLanes, rows), 0,
                        sums, tables.data[k], tables.rows[k], tables.inner[k],
                        static_cast<int>(positions - 1), static_cast<unsigned>(across), width,
                        static_cast<int>(first), static_cast<int>(columns));
        });
      });
    }
  }
}

}  // namespace

void run(Backend, Queue& queue, const EmbeddingForward& op) {
  if (op.y.count() == 0) return;
  with_activation_type(op.y.dtype(), "EmbeddingForward",
                       [&](auto t) { forward<decltype(t)>(gpu(queue), op); });
}

void run(Backend, Queue& queue, const EmbeddingBackward& op) {
  if (op.dy.count() == 0) return;
  with_activation_type(op.dy.dtype(), "EmbeddingBackward",
                       [&](auto t) { add_position_gradients<decltype(t)>(gpu(queue), op); });
  add_token_gradients(gpu(queue), op);
}

}  // namespace lacuna::cuda
