// Attention, forward, backward and position by position.
#include "lacuna/kernels/attention.h"

#include <cmath>

#include "entry.h"
#include "lacuna/kernels/attention_decode.h"
#include "lacuna/sparse/pattern.h"

namespace lacuna::proof {
namespace {

std::string text(const AttentionSize& size) {
  return str(size.pattern, ", B=", size.batch, ", H=", size.heads, ", T=", size.length,
             ", D=", size.qk, "/", size.v);
}

double scale_of(const AttentionSize& size) {
  return 1 / std::sqrt(static_cast<double>(size.qk));
}

std::shared_ptr<const HeadPasses> passes_of(const AttentionSize& size) {
  return std::make_shared<HeadPasses>(
      sparse::head_passes(*sparse::parse_pattern(size.pattern), size.heads, size.length));
}

/// q, k and v or their gradients, each [B, T, H, D].
struct Triple {
  View q, k, v;
};

/// Part 0, 1 or 2 of the fused projection [B, T, H (2 D_qk + D_v)].
View part_of(const AttentionSize& size, const View& fused, int part) {
  const int64_t qk = size.heads * size.qk, v = size.heads * size.v;
  return part < 2 ? fused.slice(2, part * qk, qk).split_last(size.heads, size.qk)
                  : fused.slice(2, 2 * qk, v).split_last(size.heads, size.v);
}

/// `place(name, shape)` gives each operand.
template <class Place>
Triple triple(const AttentionSize& size, const std::string& prefix, const Place& place) {
  const Shape q{size.batch, size.length, size.heads, size.qk};
  const Shape v{size.batch, size.length, size.heads, size.v};
  if (!size.fused) {
    return {.q = place(prefix + "q", q), .k = place(prefix + "k", q), .v = place(prefix + "v", v)};
  }
  const int64_t width = size.heads * (2 * size.qk + size.v);
  const View fused = place(prefix + "qkv", {size.batch, size.length, width});
  return {.q = part_of(size, fused, 0), .k = part_of(size, fused, 1), .v = part_of(size, fused, 2)};
}

Triple inputs(Operands& o, const AttentionSize& size) {
  return triple(size, "", [&](const std::string& name, const Shape& shape) {
    return o.input(name, shape, {-size.most, size.most});
  });
}

Triple gradients(Operands& o, const AttentionSize& size) {
  const Triple made = triple(
      size, "d", [&](const std::string& name, const Shape& shape) { return o.space(name, shape); });
  o.compare("dq", kAttentionGradients, made.q);
  o.compare("dk", kAttentionGradients, made.k);
  o.compare("dv", kAttentionGradients, made.v);
  return made;
}

}  // namespace

AttentionLaunches attention_launches(Operands& o, const AttentionSize& size) {
  const auto passes = passes_of(size);
  const Shape values{size.batch, size.length, size.heads, size.v};
  const Shape statistics{size.batch, size.heads, size.length};
  const Triple x = inputs(o, size);
  const AttentionForward forward{.q = x.q,
                                 .k = x.k,
                                 .v = x.v,
                                 .y = o.output("y", values, kAttended),
                                 .lse = o.output("lse", statistics, kLogSums, Holds::kWide),
                                 .scale = scale_of(size),
                                 .passes = passes.get()};
  const View dy = o.input("dy", values, {-size.most_dy, size.most_dy});
  const Triple dx = gradients(o, size);
  const AttentionBackward backward{.q = x.q,
                                   .k = x.k,
                                   .v = x.v,
                                   .y = forward.y,
                                   .lse = forward.lse,
                                   .dy = dy,
                                   .dq = dx.q,
                                   .dk = dx.k,
                                   .dv = dx.v,
                                   .delta = o.space("delta", statistics, Holds::kWide),
                                   .scale = forward.scale,
                                   .passes = passes.get()};
  return {.forward = launching(o, forward, passes), .backward = launching(o, backward, passes)};
}

Entry attention(const AttentionSize& size) {
  return {.name = "attention " + text(size), .make = [size](Operands& o) -> Launch {
            return [launches = attention_launches(o, size)] {
              launches.forward();
              launches.backward();
            };
          }};
}

Entry attention_decode(const AttentionSize& size) {
  const auto make = [size](Operands& o) -> Launch {
    const auto passes = passes_of(size);
    const auto slots = std::make_shared<HeadSlots>(sparse::head_slots(*passes, size.length));
    const auto cache = [&](const std::string& name, int64_t width) {
      return o.space(name, {size.batch, size.heads, sparse::most_slots(*slots), width});
    };
    const OnDevice<DecodeState> state = o.put(DecodeState{});
    const Triple x = inputs(o, size);
    const AttentionDecode whole{
        .q = x.q,
        .k = x.k,
        .v = x.v,
        .keys = cache("keys", size.qk),
        .values = cache("values", size.v),
        .y = o.output("y", {size.batch, size.length, size.heads, size.v}, kDecoded),
        .scale = scale_of(size),
        .passes = passes.get(),
        .slots = slots.get(),
        .state = state.get()};
    return [queue = o.queue(), whole, passes, slots, state]() mutable {
      for (int64_t t = 0; t < whole.q.size(1); ++t) {
        state.write({t});
        AttentionDecode op = whole;
        for (View* rows : {&op.q, &op.k, &op.v, &op.y}) *rows = rows->slice(1, t, 1);
        launch(queue, op);
      }
    };
  };
  return {.name = "decoding " + text(size), .make = make};
}

}  // namespace lacuna::proof
