// Attention's part of `lacuna check`: forward, backward and decoding.
#include <cmath>

#include "check_cases.h"
#include "lacuna/base/text.h"
#include "lacuna/kernels/attention.h"
#include "lacuna/kernels/attention_decode.h"
#include "lacuna/sparse/pattern.h"

namespace lacuna::cli {
namespace {

constexpr int64_t kBatch = 2;

struct AttentionSize {
  int64_t heads, length, qk, v;

  Shape q() const { return {kBatch, length, heads, qk}; }
  Shape y() const { return {kBatch, length, heads, v}; }
  double scale() const { return 1 / std::sqrt(static_cast<double>(qk)); }
};

HeadPasses passes_of(const std::string& pattern, const AttentionSize& size) {
  return sparse::head_passes(*sparse::parse_pattern(pattern), size.heads, size.length);
}

void check_attention(Side& side, const std::string& pattern, const AttentionSize& size) {
  const HeadPasses passes = passes_of(pattern, size);
  const DType dtype = side.storage();
  const Shape statistics{kBatch, size.heads, size.length};
  const Tensor q = side.input(size.q(), -2, 2), k = side.input(size.q(), -2, 2);
  const Tensor v = side.input(size.y()), dy = side.input(size.y());
  const Tensor y = side.output("y", size.y(), dtype);
  const Tensor lse = side.queue().zeros(statistics, side.wide_type());  // may be -inf: not compared
  const Tensor delta = side.queue().zeros(statistics, side.wide_type());
  launch(side.queue(), AttentionForward{q, k, v, y, lse, size.scale(), &passes});
  const Tensor dq = side.output("dq", size.q(), dtype), dk = side.output("dk", size.q(), dtype);
  const Tensor dv = side.output("dv", size.y(), dtype);
  launch(side.queue(),
         AttentionBackward{q, k, v, y, lse, dy, dq, dk, dv, delta, size.scale(), &passes});
  side.queue().wait();
}

// A cache in which a slot shows that is read before it was written.
Tensor cache(const Side& side, const HeadSlots& slots, int64_t width) {
  const auto heads = static_cast<int64_t>(slots.size());
  Tensor made =
      side.queue().zeros({kBatch, heads, sparse::most_slots(slots), width}, side.storage());
  side.queue().fill(made, 0xFF);
  return made;
}

void check_decoding(Side& side, const std::string& pattern, const AttentionSize& size) {
  const HeadPasses passes = passes_of(pattern, size);
  const HeadSlots slots = sparse::head_slots(passes, size.length);
  const Tensor q = side.input(size.q(), -2, 2), k = side.input(size.q(), -2, 2);
  const Tensor v = side.input(size.y());
  const Tensor y = side.output("y", size.y(), side.storage());
  const Tensor keys = cache(side, slots, size.qk), values = cache(side, slots, size.v);
  const Tensor memory = side.queue().zeros({sizeof(DecodeState)}, DType::kU8);
  for (int64_t t = 0; t < size.length; ++t) {
    const DecodeState state{t};
    side.queue().upload(memory, &state);
    const auto at = [t](const Tensor& whole) { return whole.view().slice(1, t, 1); };
    launch(side.queue(),
           AttentionDecode{at(q), at(k), at(v), keys, values, at(y), size.scale(), &passes, &slots,
                           static_cast<const DecodeState*>(memory.view().raw())});
  }
  side.queue().wait();
}

const char* const kPatterns[] = {"dense()",
                                 "local(64)",
                                 "local(20, window=paper)",
                                 "column(32)",
                                 "column(7)",
                                 "block(64)",
                                 "summary(32, 8)",
                                 "strided(32)",
                                 "strided(17, window=paper)",
                                 "fixed(64, 16)",
                                 "fixed(32, 8, 4)",
                                 "fixed(12, 5)",
                                 "local(32) + summary(64, 8)",
                                 "local(32) | column(32)"};
struct HeadSize {
  int64_t qk, v;
};
constexpr HeadSize kHeadSizes[] = {{64, 64}, {16, 32}, {32, 32}, {128, 128}, {64, 128}, {20, 36}};

}  // namespace

std::vector<CheckCase> attention_cases() {
  constexpr double kUnits = 8;
  std::vector<CheckCase> cases;
  const auto add = [&](const std::string& pattern, const AttentionSize& size) {
    cases.push_back({str("attention ", pattern, ", T=", size.length, ", D=", size.qk, "/", size.v),
                     kUnits, [=](Side& side) { check_attention(side, pattern, size); }});
  };
  const auto add_decoding = [&](const std::string& pattern, const AttentionSize& size) {
    cases.push_back({str("decoding ", pattern, ", T=", size.length, ", D=", size.qk, "/", size.v),
                     kUnits, [=](Side& side) { check_decoding(side, pattern, size); }});
  };
  for (const char* pattern : kPatterns) {
    for (const int64_t length : {1, 65, 257}) add(pattern, {4, length, 64, 64});
    add_decoding(pattern, {4, 131, 64, 64});
  }
  for (const HeadSize& size : kHeadSizes) {
    for (const char* pattern : {"fixed(64, 16)", "strided(32)"}) {
      add(pattern, {2, 193, size.qk, size.v});
    }
    add_decoding("fixed(64, 16)", {2, 193, size.qk, size.v});
  }
  return cases;
}

std::vector<SameCase> same_cases() {
  constexpr AttentionSize kSize{2, 321, 64, 64};
  std::vector<SameCase> cases;
  for (const char* pattern : {"fixed(64, 64)", "fixed(16, 16)", "local(400)"}) {
    cases.push_back({str("dense() = ", pattern, ", T=321"), 8,
                     [=](Side& side) { check_attention(side, "dense()", kSize); },
                     [=](Side& side) { check_attention(side, pattern, kSize); }});
  }
  return cases;
}

}  // namespace lacuna::cli
