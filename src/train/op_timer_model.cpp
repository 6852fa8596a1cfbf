// Attention, the two ends of the model, and the update.
#include <cmath>

#include "lacuna/base/text.h"
#include "lacuna/kernels/adamw.h"
#include "lacuna/kernels/cross_entropy.h"
#include "lacuna/kernels/embedding.h"
#include "op_operands.h"

namespace lacuna::train {
namespace {

std::string text_of(const OpTimer::Attention& size) {
  return str(size.pattern, " ", size.batch, "x", size.length, " heads ", size.heads, " of ",
             size.qk, "+", size.v);
}

// Queries, keys and values, or their gradients, in one projection.
struct Parts {
  View q, k, v;

  Parts(const View& fused, const OpTimer::Attention& size)
      : q(fused.slice(2, 0, size.qk).split_last(size.heads, size.qk / size.heads)),
        k(fused.slice(2, size.qk, size.qk).split_last(size.heads, size.qk / size.heads)),
        v(fused.slice(2, 2 * size.qk, size.v).split_last(size.heads, size.v / size.heads)) {}
};

}  // namespace

double OpTimer::attention_forward(const Attention& size, const HeadPasses& passes) {
  return of("attention forward " + text_of(size), [&](Operands& o) {
    const Shape projection{size.batch, size.length, 2 * size.qk + size.v};
    const Parts in(o.random(projection), size);
    const View y = o.zeros({size.batch, size.length, size.v});
    return o.launching(
        AttentionForward{.q = in.q,
                         .k = in.k,
                         .v = in.v,
                         .y = y.split_last(size.heads, size.v / size.heads),
                         .lse = o.wide_zeros({size.batch, size.heads, size.length}),
                         .scale = 1 / std::sqrt(static_cast<double>(size.qk / size.heads)),
                         .passes = &passes});
  });
}

double OpTimer::attention_backward(const Attention& size, const HeadPasses& passes) {
  return of("attention backward " + text_of(size), [&](Operands& o) {
    const Shape projection{size.batch, size.length, 2 * size.qk + size.v};
    const Shape values{size.batch, size.length, size.v};
    const Shape sums{size.batch, size.heads, size.length};
    const Parts in(o.random(projection), size), out(o.zeros(projection), size);
    const View y = o.zeros(values), dy = o.random(values), lse = o.wide_zeros(sums);
    const double scale = 1 / std::sqrt(static_cast<double>(size.qk / size.heads));
    const int64_t width = size.v / size.heads;
    const AttentionForward forward{.q = in.q,
                                   .k = in.k,
                                   .v = in.v,
                                   .y = y.split_last(size.heads, width),
                                   .lse = lse,
                                   .scale = scale,
                                   .passes = &passes};
    o.launching(forward)();  // so that its sums are those of its keys
    return o.launching(AttentionBackward{.q = in.q,
                                         .k = in.k,
                                         .v = in.v,
                                         .y = forward.y,
                                         .lse = lse,
                                         .dy = dy.split_last(size.heads, width),
                                         .dq = out.q,
                                         .dk = out.k,
                                         .dv = out.v,
                                         .delta = o.wide_zeros(sums),
                                         .scale = scale,
                                         .passes = &passes});
  });
}

namespace {

std::string text_of(const OpTimer::Embedding& size) {
  std::string tables;
  for (const int64_t rows : size.tables) tables += str(" ", rows);
  return str(size.batch, "x", size.length, "x", size.width, " of ", size.classes, tables);
}

}  // namespace

double OpTimer::embedding_forward(const Embedding& size) {
  return of("embedding forward " + text_of(size), [&](Operands& o) {
    EmbeddingForward op{.tokens = o.indices({size.batch, size.length}, size.classes),
                        .token = o.wide_random({size.classes, size.width}),
                        .start = o.wide_random({size.width}),
                        .y = o.zeros({size.batch, size.length, size.width})};
    for (size_t k = 0; k < size.tables.size(); ++k) {
      op.position[k] = o.wide_random({size.tables[k], size.width});
    }
    return o.launching(op);
  });
}

double OpTimer::embedding_backward(const Embedding& size) {
  return of("embedding backward " + text_of(size), [&](Operands& o) {
    EmbeddingBackward op{.tokens = o.indices({size.batch, size.length}, size.classes),
                         .dy = o.random({size.batch, size.length, size.width}),
                         .dtoken = o.wide_zeros({size.classes, size.width}),
                         .dstart = o.wide_zeros({size.width})};
    for (size_t k = 0; k < size.tables.size(); ++k) {
      op.dposition[k] = o.wide_zeros({size.tables[k], size.width});
    }
    return o.launching(op);
  });
}

double OpTimer::cross_entropy(int64_t rows, int64_t classes) {
  return of(str("cross-entropy ", rows, "x", classes), [=, this](Operands& o) {
    const View logits = o.wide_random({rows, classes});
    return o.launching(
        CrossEntropy{.logits = logits,
                     .targets = o.indices({rows}, classes),
                     .losses = o.zeros({rows}, DType::kF64),
                     .dlogits = dtype_ == wide(dtype_) ? logits : o.zeros({rows, classes}),
                     .state = o.state()});
  });
}

double OpTimer::adamw(int64_t count, bool average) {
  return of(str("adamw ", count, average ? " with average" : ""), [=, this](Operands& o) {
    const bool rounds = dtype_ != wide(dtype_);
    const int64_t groups = (count + kDecayGroup - 1) / kDecayGroup;
    const FlatRange range{.weight = o.wide_random({count}),
                          .gradient = o.wide_random({count}),
                          .average = average ? o.wide_random({count}) : View(),
                          .rounded = rounds ? o.zeros({count}) : View()};
    return o.launching(AdamW{.range = range,
                             .mean = o.wide_zeros({count}),
                             .variance = o.wide_zeros({count}),
                             .decays = o.zeros({groups}, DType::kU8),
                             .rate = o.zeros({1}, DType::kF64),
                             .state = o.state()});
  });
}

double OpTimer::squared_norm(int64_t count) {
  return of(str("squared norm ", count), [=](Operands& o) {
    return o.launching(SquaredNorm{.x = o.wide_random({count}), .sum = o.zeros({1}, DType::kF64)});
  });
}

double OpTimer::zero(int64_t count) {
  return of(str("zero ", count),
            [=](Operands& o) { return o.launching(Zero{.y = o.wide_zeros({count})}); });
}

AttentionWork::AttentionWork(const HeadPasses& passes, int64_t batch) {
  for (const auto& of_head : passes) {
    for (const sparse::Pass& pass : of_head) {
      pairs += static_cast<double>(pass.pairs());
      for (int64_t lane = 0; lane < pass.lanes; ++lane) {
        queries += static_cast<double>(pass.query_count(lane));
      }
    }
  }
  pairs *= static_cast<double>(batch);
  queries *= static_cast<double>(batch);
}

}  // namespace lacuna::train
