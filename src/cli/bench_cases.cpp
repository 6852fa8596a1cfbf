// The sizes of the paper's models and the kernels on them, with the bytes each must move at least:
// inputs read once, outputs written once.
#include "bench_cases.h"

#ifdef LACUNA_WITH_CUDA
#include <algorithm>

#include "lacuna/base/rng.h"
#include "lacuna/base/text.h"
#include "lacuna/kernels/activation.h"
#include "lacuna/kernels/adamw.h"
#include "lacuna/kernels/cross_entropy.h"
#include "lacuna/kernels/elementwise.h"
#include "lacuna/kernels/embedding.h"
#include "lacuna/kernels/layernorm.h"
#include "lacuna/kernels/residual_norm.h"

namespace lacuna::cli {
namespace {

constexpr cuda::Backend kGpu{};

struct Model {
  const char* name;
  int64_t batch, length, width, inner, classes;
  std::vector<int64_t> tables;
};
const Model kModels[] = {{"enwik8", 8, 12288, 512, 2048, 256, {96, 128}},
                         {"cifar10", 16, 3072, 256, 512, 256, {32, 32, 3}},
                         {"imagenet64", 4, 12288, 512, 2048, 256, {64, 64, 3}}};
constexpr int64_t kWeights = 95'000'000;

double bytes_of(std::initializer_list<View> views) {
  double sum = 0;
  for (const View& view : views) sum += static_cast<double>(view.bytes());
  return sum;
}

/// `op` made by `make_op`, which returns it with the tensors that it needs.
template <class Maker>
std::function<std::function<void()>()> launching(Operands& operands, const Maker& make_op) {
  return [&operands, make_op] {
    auto made = make_op();
    return std::function<void()>([&operands, made] { run(kGpu, operands.queue(), made.first); });
  };
}

template <class Op>
std::pair<Op, std::vector<Tensor>> holding(Op op, std::vector<Tensor> tensors) {
  return {std::move(op), std::move(tensors)};
}

class Cases {
 public:
  Cases(Operands& operands, DType dtype)
      : operands_(operands), dtype_(dtype), state_(operands.state()) {
    for (const Model& model : kModels) {
      add_copy(model);
      add_norms(model);
      add_seams(model, 0);
      add_seams(model, 0.25);
      add_embedding(model);
      add_loss(model);
      add_activation(model);
    }
    add_optimizer();
  }
  const std::vector<BenchCase>& all() const { return cases_; }

 private:
  // An element of a view of this shape and type, as bytes; no memory.
  static View shape_of(const Shape& shape, DType dtype) { return {nullptr, dtype, shape}; }

  void add(const std::string& kernel, const std::string& size, double bytes,
           std::function<std::function<void()>()> make) {
    cases_.push_back({kernel, size, bytes, std::move(make)});
  }

  void add_copy(const Model& model);
  void add_norms(const Model& model);
  void add_seams(const Model& model, double rate);
  void add_embedding(const Model& model);
  void add_loss(const Model& model);
  void add_activation(const Model& model);
  void add_optimizer();

  Operands& operands_;
  DType dtype_;
  StepState* state_;
  std::vector<BenchCase> cases_;
};

// What a kernel can reach at this size at all: one read, one write, nothing to compute.
void Cases::add_copy(const Model& model) {
  const Shape shape{model.batch * model.length, model.width};
  const View x = shape_of(shape, dtype_);
  Operands& o = operands_;
  const DType dtype = dtype_;
  add("a copy of that size", model.name, bytes_of({x, x}), launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, dtype), o.random(shape, dtype)};
        return holding(Convert{t[0], t[1]}, t);
      }));
}

void Cases::add_norms(const Model& model) {
  const Shape shape{model.batch * model.length, model.width}, columns{model.width};
  const Shape rows{shape[0]};
  const View x = shape_of(shape, dtype_), c = shape_of(columns, DType::kF32),
             n = shape_of(rows, DType::kF32);
  Operands& o = operands_;
  const DType dtype = dtype_;
  add("layernorm forward", model.name, bytes_of({x, x, c, c, n, n}), launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, dtype),         o.random(columns, DType::kF32),
                                    o.random(columns, DType::kF32), o.random(shape, dtype),
                                    o.random(rows, DType::kF32),    o.random(rows, DType::kF32)};
        return holding(LayerNormForward{t[0], t[1], t[2], t[3], t[4], t[5]}, t);
      }));
  add("layernorm backward", model.name, bytes_of({x, x, x, c, c, c, n, n}), launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, dtype),         o.random(columns, DType::kF32),
                                    o.random(rows, DType::kF32),    o.random(rows, DType::kF32),
                                    o.random(shape, dtype),         o.random(shape, dtype),
                                    o.random(columns, DType::kF32), o.random(columns, DType::kF32)};
        return holding(LayerNormBackward{t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]}, t);
      }));
}

void Cases::add_seams(const Model& model, double rate) {
  const Shape shape{model.batch, model.length, model.width}, columns{model.width};
  const Shape rows{model.batch * model.length};
  const View x = shape_of(shape, dtype_), c = shape_of(columns, DType::kF32),
             n = shape_of(rows, DType::kF32);
  const Dropout dropout{.rate = rate, .site = 3, .state = state_};
  const std::string suffix = rate > 0 ? ", dropout" : "";
  Operands& o = operands_;
  const DType dtype = dtype_;
  add("residual+norm forward" + suffix, model.name, bytes_of({x, x, x, x, c, c, n, n}),
      launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, dtype),         o.random(shape, dtype),
                                    o.random(columns, DType::kF32), o.random(columns, DType::kF32),
                                    o.random(shape, dtype),         o.random(shape, dtype),
                                    o.random(rows, DType::kF32),    o.random(rows, DType::kF32)};
        return holding(
            ResidualNormForward{t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], 1e-5, dropout}, t);
      }));
  add("residual+norm backward" + suffix, model.name, bytes_of({x, x, x, x, x, c, c, c, n, n}),
      launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, dtype),         o.random(columns, DType::kF32),
                                    o.random(rows, DType::kF32),    o.random(rows, DType::kF32),
                                    o.random(shape, dtype),         o.random(shape, dtype),
                                    o.random(shape, dtype),         o.random(shape, dtype),
                                    o.random(columns, DType::kF32), o.random(columns, DType::kF32)};
        return holding(ResidualNormBackward{t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8],
                                            t[9], dropout},
                       t);
      }));
}

void Cases::add_embedding(const Model& model) {
  const Shape shape{model.batch, model.length, model.width}, indices{model.batch, model.length};
  const View y = shape_of(shape, dtype_), x = shape_of(indices, DType::kI32);
  Operands& o = operands_;
  const DType dtype = dtype_;
  double tables = bytes_of({shape_of({model.classes + 1, model.width}, DType::kF32)});
  for (const int64_t rows : model.tables) {
    tables += bytes_of({shape_of({rows, model.width}, DType::kF32)});
  }
  // Tokens, y or dy, token and start and position tables.
  const auto draw = [=, &o, m = &model] {
    std::vector<Tensor> t{o.tokens(indices, m->classes), o.random(shape, dtype),
                          o.random({m->classes, m->width}, DType::kF32),
                          o.random({m->width}, DType::kF32)};
    for (const int64_t rows : m->tables) {
      t.push_back(o.random({rows, m->width}, DType::kF32));
    }
    return t;
  };
  const auto positions = [](const std::vector<Tensor>& t) {
    PositionTables views;
    for (size_t k = 4; k < t.size(); ++k) views[k - 4] = t[k];
    return views;
  };
  add("embedding forward", model.name, bytes_of({x, y}) + tables, launching(o, [=] {
        const std::vector<Tensor> t = draw();
        return holding(EmbeddingForward{t[0], t[2], t[3], t[1], positions(t)}, t);
      }));
  add("embedding backward", model.name, bytes_of({x, y}) + 2 * tables, launching(o, [=] {
        const std::vector<Tensor> t = draw();
        return holding(EmbeddingBackward{t[0], t[1], t[2], t[3], positions(t)}, t);
      }));
}

void Cases::add_loss(const Model& model) {
  const Shape shape{model.batch * model.length, model.classes}, rows{shape[0]};
  const View logits = shape_of(shape, DType::kF32), dlogits = shape_of(shape, dtype_);
  Operands& o = operands_;
  const DType dtype = dtype_;
  StepState* state = state_;
  const double bytes =
      bytes_of({logits, dlogits, shape_of(rows, DType::kI32), shape_of(rows, DType::kF64)});
  add("cross-entropy", model.name, bytes, launching(o, [=, &o, m = &model] {
        const std::vector<Tensor> t{o.random(shape, DType::kF32), o.tokens(rows, m->classes),
                                    o.random(rows, DType::kF64), o.random(shape, dtype)};
        return holding(CrossEntropy{t[0], t[1], t[2], t[3], 1e-5, state}, t);
      }));
}

void Cases::add_activation(const Model& model) {
  const Shape shape{model.batch * model.length, model.inner}, columns{model.inner};
  const View z = shape_of(shape, dtype_), c = shape_of(columns, DType::kF32);
  Operands& o = operands_;
  const DType dtype = dtype_;
  add("activation forward", model.name, bytes_of({z, z}), [=, &o] {
    const Tensor from = o.random(shape, dtype), to = o.random(shape, dtype);
    return [=, &o] { cuda::quick_gelu_forward(o.queue(), from, to); };
  });
  add("activation backward, bias", model.name, bytes_of({z, z, z, c, c}), [=, &o] {
    const Tensor from = o.random(shape, dtype), to = o.random(shape, dtype),
                 dbias = o.random(columns, DType::kF32);
    return [=, &o] { cuda::quick_gelu_backward(o.queue(), from, to, dbias); };
  });
  const Shape narrow{shape[0], model.width}, narrow_columns{model.width};
  const double bytes = bytes_of({shape_of(narrow, dtype), shape_of(narrow_columns, DType::kF32),
                                 shape_of(narrow_columns, DType::kF32)});
  add("column sums", model.name, bytes, [=, &o] {
    const Tensor dz = o.random(narrow, dtype), dbias = o.random(narrow_columns, DType::kF32);
    return [=, &o] { cuda::add_column_sums(o.queue(), dz, dbias); };
  });
}

void Cases::add_optimizer() {
  const Shape shape{kWeights}, groups{(kWeights + kDecayGroup - 1) / kDecayGroup}, one{1};
  const View x = shape_of(shape, DType::kF32);
  const DType stored = dtype_ == DType::kF16 ? DType::kF16 : DType::kBF16;
  const View r = shape_of(shape, stored);
  Operands& o = operands_;
  StepState* state = state_;
  const std::string size = "95M weights";
  add("adamw", size, bytes_of({x, x, x, x, x, x, x, x, x, r, shape_of(groups, DType::kU8)}),
      launching(o, [=, &o] {
        std::vector<Tensor> t;
        for (int i = 0; i < 5; ++i) t.push_back(o.random(shape, DType::kF32));
        t.push_back(o.random(shape, stored));
        t.push_back(o.queue().zeros(groups, DType::kU8));
        o.queue().fill(t.back(), 1);
        return holding(
            AdamW{t[0], t[1], t[2], t[3], t[4], t[5], t[6], 0.9, 0.999, 1e-8, 0.01, state}, t);
      }));
  add("squared norm", size, bytes_of({x}), launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, DType::kF32), o.random(one, DType::kF64)};
        return holding(SquaredNorm{t[0], t[1]}, t);
      }));
  add(str("convert f32 to ", name_of(stored)), size, bytes_of({x, r}), launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, DType::kF32), o.random(shape, stored)};
        return holding(Convert{t[0], t[1]}, t);
      }));
  add("accumulate", size, bytes_of({x, x, x}), launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, DType::kF32), o.random(shape, DType::kF32)};
        return holding(Accumulate{t[0], t[1]}, t);
      }));
  add("zero", size, bytes_of({x}), launching(o, [=, &o] {
        const std::vector<Tensor> t{o.random(shape, DType::kF32)};
        return holding(Zero{t[0]}, t);
      }));
}

}  // namespace

Operands::Operands(Queue& queue) : queue_(queue), noise_(queue.zeros({kNoise}, DType::kF32)) {
  std::vector<float> host(kNoise);
  for (size_t i = 0; i < host.size(); ++i) {
    host[i] = 0.05F + static_cast<float>(mix64(i) >> 40) * 0x1p-24F;
  }
  queue.upload(noise_, host.data());
  StepState start;
  start.learning_rate = 1e-4;
  start.average_decay = 0.999;
  start.inputs.dropout_key = random_key(1, RandomUse::kDropout, 1);
  state_ = queue.zeros({int64_t{sizeof start}}, DType::kU8);
  queue.upload(state_, &start);
}

Tensor Operands::random(const Shape& shape, DType dtype) {
  Tensor made = queue_.zeros(shape, dtype);
  const View flat = made.view().reshaped({shape.count()});
  for (int64_t at = 0; at < shape.count(); at += kNoise) {
    const int64_t count = std::min(kNoise, shape.count() - at);
    run(kGpu, queue_,
        Convert{.x = noise_.view().slice(0, 0, count), .y = flat.slice(0, at, count)});
  }
  return made;
}

Tensor Operands::tokens(const Shape& shape, int64_t classes) {
  std::vector<int32_t> host(static_cast<size_t>(shape.count()));
  for (size_t i = 0; i < host.size(); ++i) {
    host[i] = static_cast<int32_t>(mix64(i + 7) % static_cast<uint64_t>(classes));
  }
  Tensor made = queue_.zeros(shape, DType::kI32);
  queue_.upload(made, host.data());
  return made;
}

std::vector<BenchCase> layer_cases(Operands& operands, DType dtype) {
  return Cases(operands, dtype).all();
}

}  // namespace lacuna::cli
#endif
