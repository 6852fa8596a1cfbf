// One row of the embedding for each sequence (kernels/embedding_decode.h): y[b] = start at position
// 0, else token[x[b]] + the rows of the position tables at the digits of position - 1. Tables in
// f32; y [B, C] in T. A few kilobytes: bound by the launch.
#include "device/elements.cuh"
#include "dispatch.h"
#include "lacuna/kernels/embedding_decode.h"
#include "launch_kernel.h"

namespace lacuna::cuda {
namespace {

constexpr int kThreads = 256;

struct Tables {
  const float* table[kMaxPositionTables];
  int64_t rows[kMaxPositionTables];  // 0: no table
};

template <class T>
__global__ void embedding_decode_kernel(const int32_t* tokens, const float* token,
                                        const float* start, Tables tables, T* y, int64_t width,
                                        const DecodeState* state) {
  follow_previous();
  const int64_t batch = blockIdx.x;
  for (int64_t c = threadIdx.x; c < width; c += kThreads) {
    float sum = start[c];
    if (state->position > 0) {
      sum = token[tokens[batch] * width + c];
      int64_t rest = state->position - 1;
      for (int k = kMaxPositionTables - 1; k >= 0; --k) {
        if (tables.rows[k] == 0) continue;
        sum += tables.table[k][rest % tables.rows[k] * width + c];
        rest /= tables.rows[k];
      }
    }
    y[batch * width + c] = from_f32<T>(sum);
  }
}

}  // namespace

void run(Backend, Queue& queue, const EmbeddingDecode& op) {
  Tables tables{};
  for (int k = 0; k < kMaxPositionTables; ++k) {
    const View& table = op.position[static_cast<size_t>(k)];
    tables.table[k] = pointer<float>(table, "EmbeddingDecode");
    tables.rows[k] = table.present() ? table.size(0) : 0;
  }
  with_activation_type(op.y.dtype(), "EmbeddingDecode", [&](auto type) {
    using T = decltype(type);
    launch_kernel(gpu(queue), "embedding_decode_kernel", embedding_decode_kernel<T>,
                  static_cast<unsigned>(op.tokens.count()), kThreads, 0,
                  pointer<int32_t>(op.tokens, "EmbeddingDecode"),
                  pointer<float>(op.token, "EmbeddingDecode"),
                  pointer<float>(op.start, "EmbeddingDecode"), tables,
                  pointer<T>(op.y, "EmbeddingDecode"), op.start.size(0), op.state);
  });
}

}  // namespace lacuna::cuda
