#include <algorithm>

#include "entry.h"
#include "lacuna/proof/cases.h"

namespace lacuna::proof {
namespace {

void add_layers(std::vector<CheckCase>& cases) {
  for (LinearSize size : {LinearSize{256, 64, 192}, {257, 96, 256}, {33, 17, 5}}) {
    for (const Activation activation : {Activation::kNone, Activation::kQuickGelu}) {
      const char* word = activation == Activation::kNone ? "" : " + quick_gelu";
      size.activation = activation;
      LinearSize alone = size;
      alone.rows_alone = true;
      cases.push_back({str("linear", word, " [", size.rows, ", ", size.in, "] -> ", size.out),
                       {linear_forward(size), linear_forward(alone), linear_backward(size)}});
    }
  }
  for (const ActivationSize& size : {ActivationSize{257, 192}, {33, 5}}) {
    cases.push_back({str("quick_gelu [", size.rows, ", ", size.width, "]"), {activate(size)}});
  }
  for (const NormSize& size : {NormSize{257, 512}, {65, 17}, {3, 1000}}) {
    cases.push_back({str("layer norm [", size.rows, ", ", size.width, "]"),
                     {layernorm_forward(size), layernorm_backward(size)}});
  }
  for (const double rate : {0.0, 0.25}) {
    for (const SeamSize& size : {SeamSize{2, 130, 512, rate}, {2, 33, 17, rate}}) {
      cases.push_back({str("residual + norm [2, ", size.length, ", ", size.width, "], dropout ",
                           fixed(rate, 2)),
                       {residual_norm_forward(size), residual_norm_backward(size)}});
    }
  }
}

void add_ends(std::vector<CheckCase>& cases) {
  for (EmbeddingSize size : {EmbeddingSize{3, 257, 50, 256}, {3, 65, 50, 17}}) {
    size.tables = {(size.length + 6) / 7, 7};
    cases.push_back({str("embedding [3, ", size.length, ", ", size.width, "]"),
                     {embedding_forward(size), embedding_backward(size)}});
  }
  for (const EmbeddingSize& size : {EmbeddingSize{2, 1, 50, 256, {5, 7}}, {5, 1, 50, 17, {5, 7}}}) {
    std::vector<Entry> entries;
    for (const int64_t position : {0, 1, 6, 7, 34, 36}) {  // where the tables wrap, too
      entries.push_back(embedding_decode(size, position));
    }
    cases.push_back(
        {str("decoding the embedding [", size.batch, ", 1, ", size.width, "]"), entries});
  }
  for (const LossSize& size : {LossSize{300, 256}, {65, 19}}) {
    cases.push_back({str("cross-entropy [", size.rows, ", ", size.classes, "]"),
                     {cross_entropy(size), add_losses(size.rows)}});
  }
  for (const int64_t count : {100'003, 16}) {
    cases.push_back({str("norm, clipping, adamw [", count, "]"),
                     {squared_norm(count), finish_gradients(), adamw({count})}});
    const UpdateSize short_moments{.count = count, .bf16_moments = true};
    cases.push_back({str("adamw, moments in bf16 [", count, "]"),
                     {adamw(short_moments)},
                     kRoundedAtRandom.more});
    cases.push_back({str("lion [", count, "]"), {lion({count}), lion(short_moments)}});
  }
  for (const int64_t count : {100'003, 16}) {
    cases.push_back({str("copies, sums [", count, "]"),
                     {convert(count, Holds::kActivations, Holds::kWide),
                      convert(count, Holds::kWide, Holds::kActivations), accumulate(count),
                      zero(count, Holds::kActivations)}});
  }
  cases.push_back({"place of a step",
                   {note_progress(StepPart::kForward, 3), note_progress(StepPart::kBackward, 2)}});
}

AttentionSize separate(const char* pattern, int64_t heads, int64_t length, int64_t qk, int64_t v) {
  return {.pattern = pattern,
          .batch = 2,
          .heads = heads,
          .length = length,
          .qk = qk,
          .v = v,
          .fused = false};
}

void add_attention(std::vector<CheckCase>& cases) {
  const auto add = [&](const char* word, const AttentionSize& size, const Entry& entry) {
    cases.push_back(
        {str(word, " ", size.pattern, ", T=", size.length, ", D=", size.qk, "/", size.v),
         {entry},
         kSoftmax});
  };
  const auto add_whole = [&](const AttentionSize& size) {
    add("attention", size, attention(size));
  };
  const auto add_decoding = [&](const AttentionSize& size) {
    add("decoding", size, attention_decode(size));
  };
  for (const char* pattern :
       {"dense()", "local(64)", "local(20, window=paper)", "column(32)", "column(7)", "block(64)",
        "summary(32, 8)", "strided(32)", "strided(17, window=paper)", "fixed(64, 16)",
        "fixed(32, 8, 4)", "fixed(12, 5)", "local(32) + summary(64, 8)",
        "local(32) | column(32)"}) {
    for (const int64_t length : {1, 65, 257}) add_whole(separate(pattern, 4, length, 64, 64));
    add_decoding(separate(pattern, 4, 131, 64, 64));
  }
  struct Widths {
    int64_t qk, v;
  };
  for (const Widths& widths :
       {Widths{64, 64}, {16, 32}, {32, 32}, {128, 128}, {64, 128}, {20, 36}}) {
    for (const char* pattern : {"fixed(64, 16)", "strided(32)"}) {
      add_whole(separate(pattern, 2, 193, widths.qk, widths.v));
    }
    add_decoding(separate("fixed(64, 16)", 2, 193, widths.qk, widths.v));
  }
}

}  // namespace

std::vector<Finding> findings(const CheckCase& check, const Queue& tested, DType dtype,
                              uint64_t seed, const Queue& cpu) {
  std::vector<Finding> all;
  for (const Entry& entry : check.entries) {
    Side side(tested, dtype, seed);
    for (Finding found : findings(entry, side, cpu)) {
      if (dtype == DType::kF32) found.limit = std::min(found.limit, check.most_in_f32);
      all.push_back(found);
    }
  }
  return all;
}

// Each side may be off by what the table allows, both together by no more than eight roundings to
// the type, or what softmax errs by in f32.
std::vector<Finding> findings(const SameCase& same, const Queue& tested, DType dtype,
                              uint64_t seed) {
  Side one(tested, dtype, seed), other(tested, dtype, seed);
  same.one.make(one)();
  same.other.make(other)();
  std::vector<Finding> found = findings(other, one);
  const double most = dtype == DType::kF32 ? kSoftmax : 8 * unit(dtype);
  for (Finding& finding : found) finding.limit = std::min(2 * finding.limit, most);
  return found;
}

std::vector<CheckCase> check_cases() {
  std::vector<CheckCase> cases;
  add_layers(cases);
  add_ends(cases);
  add_attention(cases);
  return cases;
}

std::vector<SameCase> same_cases() {
  std::vector<SameCase> cases;
  for (const char* pattern : {"fixed(64, 64)", "fixed(16, 16)", "local(400)"}) {
    cases.push_back({str("dense() = ", pattern, ", T=321"),
                     attention(separate("dense()", 2, 321, 64, 64)),
                     attention(separate(pattern, 2, 321, 64, 64))});
  }
  return cases;
}

}  // namespace lacuna::proof
