// Attention as the textbook writes it: a dense T x T matrix of logits, masked by Pattern::attends,
// one softmax per row, and its gradient, all in double and without passes or tiles.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "../random_tensor.h"
#include "lacuna/kernels/attention.h"
#include "lacuna/sparse/pattern.h"

struct AttentionCase {
  std::string pattern;
  int64_t length;
  int64_t batch = 2, heads = 2, qk = 5, v = 3;  // widths of one head

  int64_t fused() const { return heads * (2 * qk + v); }
  double scale() const { return 0.7; }
};

/// Where things are in flat memory.
struct AttentionIndex {
  AttentionCase c;

  size_t row(int64_t b, int64_t t) const { return static_cast<size_t>((b * c.length + t)); }
  size_t q(int64_t b, int64_t t, int64_t h, int64_t d) const {
    return row(b, t) * size_t(c.fused()) + size_t(h * c.qk + d);
  }
  size_t k(int64_t b, int64_t t, int64_t h, int64_t d) const {
    return q(b, t, h, d) + size_t(c.heads * c.qk);
  }
  size_t v(int64_t b, int64_t t, int64_t h, int64_t d) const {
    return row(b, t) * size_t(c.fused()) + size_t(2 * c.heads * c.qk + h * c.v + d);
  }
  size_t y(int64_t b, int64_t t, int64_t h, int64_t d) const {
    return row(b, t) * size_t(c.heads * c.v) + size_t(h * c.v + d);
  }
  size_t lse(int64_t b, int64_t h, int64_t t) const {
    return static_cast<size_t>((b * c.heads + h) * c.length + t);
  }
};

/// Inputs, and the outputs of the kernels; q, k, v and their gradients are slices of one buffer
/// each.
template <class T>
struct AttentionProblem {
  AttentionProblem(const AttentionCase& given, uint64_t seed)
      : c(given),
        random(seed),
        fused(random.tensor<T>({c.batch, c.length, c.fused()}, -1.5, 1.5)),
        dy(random.tensor<T>({c.batch, c.length, c.heads * c.v})),
        y(dy.shape()),
        lse(lacuna::Shape{c.batch, c.heads, c.length}),
        dfused(fused.shape()),
        delta(lacuna::Shape{c.batch, c.heads, c.length}),
        pattern(lacuna::sparse::parse_pattern(c.pattern)),
        passes(lacuna::sparse::head_passes(*pattern, c.heads, c.length)) {}

  lacuna::View part(const lacuna::View& whole, int which) const {
    const int64_t qk = c.heads * c.qk, v = c.heads * c.v;
    return which < 2 ? whole.slice(2, which * qk, qk).split_last(c.heads, c.qk)
                     : whole.slice(2, 2 * qk, v).split_last(c.heads, c.v);
  }
  void forward(lacuna::Queue queue) {
    launch(queue, lacuna::AttentionForward{.q = part(fused, 0),
                                           .k = part(fused, 1),
                                           .v = part(fused, 2),
                                           .y = y.view().split_last(c.heads, c.v),
                                           .lse = lse,
                                           .scale = c.scale(),
                                           .passes = &passes});
  }
  void backward(lacuna::Queue queue) {
    launch(queue, lacuna::AttentionBackward{.q = part(fused, 0),
                                            .k = part(fused, 1),
                                            .v = part(fused, 2),
                                            .y = y.view().split_last(c.heads, c.v),
                                            .lse = lse,
                                            .dy = dy.view().split_last(c.heads, c.v),
                                            .dq = part(dfused.view(), 0),
                                            .dk = part(dfused.view(), 1),
                                            .dv = part(dfused.view(), 2),
                                            .delta = delta,
                                            .scale = c.scale(),
                                            .passes = &passes});
  }
  bool intact() const { return y.intact() && lse.intact() && dfused.intact() && delta.intact(); }

  AttentionCase c;
  Random random;
  lacuna::Tensor fused, dy;
  Guarded<T> y, lse, dfused, delta;
  lacuna::sparse::PatternPtr pattern;
  lacuna::HeadPasses passes;
};

struct AttentionWanted {
  std::vector<double> y, lse, dfused;
};

template <class T>
AttentionWanted attention_formulas(const AttentionProblem<T>& p) {
  const AttentionCase& c = p.c;
  const AttentionIndex at{c};
  const std::vector<T> x = elements<T>(p.fused), dy = elements<T>(p.dy);
  AttentionWanted wanted{std::vector<double>(dy.size()),
                         std::vector<double>(size_t(c.batch * c.heads * c.length), -HUGE_VAL),
                         std::vector<double>(x.size())};
  std::vector<int64_t> keys;
  std::vector<double> weights, slopes;
  for (int64_t h = 0; h < c.heads; ++h) {
    for (int64_t i = 0; i < c.length; ++i) {
      keys.clear();
      for (int64_t j = 0; j < c.length; ++j) {
        if (p.pattern->attends(h, i, j)) keys.push_back(j);
      }
      if (keys.empty()) continue;
      for (int64_t b = 0; b < c.batch; ++b) {
        double sum = 0, mean_slope = 0;
        weights.clear();
        slopes.clear();
        for (const int64_t j : keys) {
          double logit = 0;
          for (int64_t d = 0; d < c.qk; ++d) {
            logit += double(x[at.q(b, i, h, d)]) * double(x[at.k(b, j, h, d)]);
          }
          weights.push_back(std::exp(c.scale() * logit));
          sum += weights.back();
        }
        wanted.lse[at.lse(b, h, i)] = std::log(sum);
        for (size_t n = 0; n < keys.size(); ++n) {
          weights[n] /= sum;
          double slope = 0;
          for (int64_t d = 0; d < c.v; ++d) {
            const double value = x[at.v(b, keys[n], h, d)], grad = dy[at.y(b, i, h, d)];
            wanted.y[at.y(b, i, h, d)] += weights[n] * value;
            wanted.dfused[at.v(b, keys[n], h, d)] += weights[n] * grad;
            slope += value * grad;
          }
          slopes.push_back(slope);
          mean_slope += weights[n] * slope;
        }
        for (size_t n = 0; n < keys.size(); ++n) {
          const double dlogit = weights[n] * (slopes[n] - mean_slope) * c.scale();
          for (int64_t d = 0; d < c.qk; ++d) {
            wanted.dfused[at.q(b, i, h, d)] += dlogit * double(x[at.k(b, keys[n], h, d)]);
            wanted.dfused[at.k(b, keys[n], h, d)] += dlogit * double(x[at.q(b, i, h, d)]);
          }
        }
      }
    }
  }
  return wanted;
}

/// Every pattern, with strides that do not divide the lengths, and merges and shared heads of them.
inline const char* const kAttentionPatterns[] = {
    "dense()",
    "local(1)",
    "local(7)",
    "local(70)",
    "local(8, window=paper)",
    "block(1)",
    "block(8)",
    "block(65)",
    "column(1)",
    "column(7)",
    "column(40)",
    "summary(8, 2)",
    "summary(12, 3, 4)",
    "strided(8)",
    "strided(7, window=paper)",
    "fixed(8, 2)",
    "fixed(12, 3, 4)",
    "fixed(64, 16)",
    "local(6) + column(4)",
    "block(12) + summary(4, 1)",
    "local(5) + summary(8, 2)",
    "local(8) | column(8)",
    "summary(8, 2) | block(8)",
    "strided(5) | dense() | fixed(9, 2)",
};
