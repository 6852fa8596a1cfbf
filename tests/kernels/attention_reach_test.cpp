// What a query may not read must not reach it, whatever is there: all rows that do not attend a
// poisoned position keep every bit of their results, forward and backward.
#include <string>

#include "../catch.h"
#include "attention_reference.h"

using namespace lacuna;

namespace {

enum class Poison { kHuge, kNaNKeys, kNaNValues, kNaNGradients };

using Positions = std::vector<bool>;

/// Overwrites q, k and v (or a part) of all heads at the chosen positions.
void poison(AttentionProblem<double>& p, const Positions& chosen, Poison with) {
  const AttentionIndex at{p.c};
  double* x = p.fused.view().data<double>();
  double* dy = p.dy.view().data<double>();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int64_t b = 0; b < p.c.batch; ++b) {
    for (int64_t t = 0; t < p.c.length; ++t) {
      if (!chosen[static_cast<size_t>(t)]) continue;
      for (int64_t h = 0; h < p.c.heads; ++h) {
        for (int64_t d = 0; d < p.c.qk; ++d) {
          if (with == Poison::kHuge) x[at.q(b, t, h, d)] = -1e30;
          if (with == Poison::kHuge) x[at.k(b, t, h, d)] = 1e30;
          if (with == Poison::kNaNKeys) x[at.q(b, t, h, d)] = x[at.k(b, t, h, d)] = nan;
        }
        for (int64_t d = 0; d < p.c.v; ++d) {
          if (with == Poison::kHuge) x[at.v(b, t, h, d)] = 1e30;
          if (with == Poison::kNaNValues) x[at.v(b, t, h, d)] = nan;
          if (with == Poison::kNaNGradients) dy[at.y(b, t, h, d)] = nan;
        }
      }
    }
  }
}

struct Leaks {
  int64_t forward = 0, backward = 0;
};

/// Counts elements that changed though nothing poisoned may reach them.
Leaks leaks(const std::string& pattern, int64_t length, const Positions& chosen, Poison with) {
  AttentionProblem<double> clean({pattern, length, 1, 2}, 1100),
      dirty({pattern, length, 1, 2}, 1100);
  poison(dirty, chosen, with);
  for (auto* p : {&clean, &dirty}) {
    p->forward(Queue::cpu(1));
    p->backward(Queue::cpu(1));
  }
  const AttentionIndex at{clean.c};
  const std::vector<double> y = clean.y.values(), y2 = dirty.y.values(), lse = clean.lse.values();
  const std::vector<double> lse2 = dirty.lse.values(), dx = clean.dfused.values();
  const std::vector<double> dx2 = dirty.dfused.values();
  Leaks found;
  const auto compare = [](const std::vector<double>& a, const std::vector<double>& b, size_t i,
                          int64_t& count) {
    if (std::bit_cast<uint64_t>(a[i]) != std::bit_cast<uint64_t>(b[i])) ++count;
  };
  for (int64_t h = 0; h < clean.c.heads; ++h) {
    Positions hit(chosen), key_hit(chosen.size());  // queries that are poisoned or read poison
    for (int64_t i = 0; i < length; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        if (chosen[size_t(j)] && clean.pattern->attends(h, i, j)) hit[size_t(i)] = true;
      }
    }
    for (int64_t i = 0; i < length; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        if (hit[size_t(i)] && clean.pattern->attends(h, i, j)) key_hit[size_t(j)] = true;
      }
    }
    for (int64_t t = 0; t < length; ++t) {
      if (!hit[size_t(t)]) {
        compare(lse, lse2, at.lse(0, h, t), found.forward);
        for (int64_t d = 0; d < clean.c.v; ++d) compare(y, y2, at.y(0, t, h, d), found.forward);
        for (int64_t d = 0; d < clean.c.qk; ++d) compare(dx, dx2, at.q(0, t, h, d), found.backward);
      }
      if (!key_hit[size_t(t)]) {
        for (int64_t d = 0; d < clean.c.qk; ++d) compare(dx, dx2, at.k(0, t, h, d), found.backward);
        for (int64_t d = 0; d < clean.c.v; ++d) compare(dx, dx2, at.v(0, t, h, d), found.backward);
      }
    }
  }
  return found;
}

/// Everything after a position is poisoned; and single positions, which only some of the later
/// queries read. The sum over all patterns.
Leaks leaks_of_all_patterns(Poison with) {
  Leaks sum;
  for (const char* pattern : kAttentionPatterns) {
    for (const int64_t length : {70, 90}) {
      for (const int64_t i : {0, 5, 31, 63, 64, 68}) {
        Positions after(static_cast<size_t>(length)), alone(static_cast<size_t>(length));
        std::fill(after.begin() + i + 1, after.end(), true);
        alone[static_cast<size_t>(i)] = true;
        for (const Positions& chosen : {after, alone}) {
          const Leaks found = leaks(pattern, length, chosen, with);
          if (found.forward > 0 && sum.forward == 0) UNSCOPED_INFO("first forward: " << pattern);
          if (found.backward > 0 && sum.backward == 0) UNSCOPED_INFO("first backward: " << pattern);
          sum.forward += found.forward;
          sum.backward += found.backward;
        }
      }
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("Huge numbers where a query may not read change no bit of any result") {
  const Leaks found = leaks_of_all_patterns(Poison::kHuge);
  CHECK(found.forward == 0);
  CHECK(found.backward == 0);
}

TEST_CASE("NaN keys where a query may not read change no bit of the output") {
  CHECK(leaks_of_all_patterns(Poison::kNaNKeys).forward == 0);
}
