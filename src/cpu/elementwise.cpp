#include "lacuna/kernels/elementwise.h"

#include <cstring>
#include <vector>

#include "dispatch.h"
#include "parallel.h"

namespace lacuna::cpu {
namespace {

constexpr int64_t kChunk = 1 << 14;

template <class T>
double widened(T value) {
  if constexpr (std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>) {
    return to_f32(value);
  } else {
    return value;
  }
}

template <class T>
T narrowed(double value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return to_bf16(static_cast<float>(value));
  } else if constexpr (std::is_same_v<T, Float16>) {
    return to_f16(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

template <class Body>
void with_stored_type(DType dtype, const Body& body) {
  if (dtype == DType::kBF16) return body(BFloat16{});
  if (dtype == DType::kF16) return body(Float16{});
  with_float_type(dtype, "Convert", body);
}

template <class From, class To>
void convert(Queue& queue, const View& x, const View& y) {
  const From* from = x.data<From>();
  To* to = y.data<To>();
  parallel_chunks(queue, y.count(), kChunk, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = narrowed<To>(widened(from[i]));
  });
}

template <class T>
void accumulate(Queue& queue, const Accumulate& op) {
  const T* x = op.x.data<T>();
  T* y = op.y.data<T>();
  parallel_chunks(queue, op.y.count(), kChunk, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] += x[i];
  });
}

template <class T>
double squared_norm(Queue& queue, const View& view) {
  const T* x = view.data<T>();
  std::vector<double> partial(static_cast<size_t>((view.count() + kChunk - 1) / kChunk));
  parallel_chunks(queue, view.count(), kChunk, [&](int64_t chunk, int64_t begin, int64_t end) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += double(x[i]) * double(x[i]);
    partial[static_cast<size_t>(chunk)] = sum;
  });
  double sum = 0;
  for (const double part : partial) sum += part;
  return sum;
}

}  // namespace

void run(Backend, Queue& queue, const Convert& op) {
  require(op.x.count() == op.y.count(), "Convert", "views of different counts");
  with_stored_type(op.x.dtype(), [&](auto from) {
    with_stored_type(op.y.dtype(),
                     [&](auto to) { convert<decltype(from), decltype(to)>(queue, op.x, op.y); });
  });
}

void run(Backend, Queue& queue, const Accumulate& op) {
  with_float_type(op.y.dtype(), "Accumulate", [&](auto t) { accumulate<decltype(t)>(queue, op); });
}

void run(Backend, Queue& queue, const Zero& op) {
  auto* bytes = static_cast<std::byte*>(op.y.raw());
  parallel_chunks(queue, static_cast<int64_t>(op.y.bytes()), kChunk * 8,
                  [&](int64_t, int64_t begin, int64_t end) {
                    std::memset(bytes + begin, 0, static_cast<size_t>(end - begin));
                  });
}

void run(Backend, Queue& queue, const SquaredNorm& op) {
  with_float_type(op.x.dtype(), "SquaredNorm", [&](auto t) {
    op.sum.data<double>()[0] = squared_norm<decltype(t)>(queue, op.x);
  });
}

}  // namespace lacuna::cpu
