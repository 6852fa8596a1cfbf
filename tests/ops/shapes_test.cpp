// Shapes that do not fit together are refused by the op that is given them, before anything runs.
#include "../catch.h"
#include "../expect_error.h"
#include "lacuna/ops/decode.h"

using namespace lacuna;

namespace {

struct Dry {
  Queue queue = Queue::dry();
  Arena arena;
  Tape tape{queue, arena, Tape::Mode::kForward};

  Tensor of(const Shape& shape, DType dtype = DType::kF64) {
    return arena.allocate(shape, dtype, MemoryTag::kInputs);
  }
  Variable value(const Shape& shape) { return tape.variable(of(shape)); }
  Parameter weight(const Shape& shape) { return {of(shape), {}}; }
};

void refused(const std::string& op, const std::function<void(Dry&)>& call) {
  Dry dry;
  expect_error(ErrorKind::kInternal, op, [&] { call(dry); });
}

HeadPasses dense_passes(int64_t length) {
  return {{sparse::Pass{.length = length, .end = {.shift = 1}}}};
}

}  // namespace

TEST_CASE("linear refuses x, weight and bias that do not fit together") {
  for (const Shape& x : {Shape{2, 3, 4}, Shape{6, 5}}) {
    refused("linear", [&](Dry& d) {
      ops::linear(d.tape, d.value(x), d.weight({7, 5}), d.weight({7}));
    });
  }
  refused("linear", [](Dry& d) {
    ops::linear(d.tape, d.value({2, 3, 5}), d.weight({7, 5}), d.weight({5}));
  });
}

TEST_CASE("norms refuse a gain or bias of another width, and a branch of another shape") {
  refused("layer_norm", [](Dry& d) {
    ops::layer_norm(d.tape, d.value({2, 3, 5}), {d.weight({4}), d.weight({5})});
  });
  refused("layer_norm", [](Dry& d) {
    ops::layer_norm(d.tape, d.value({2, 3, 5}), {d.weight({5}), d.weight({4})});
  });
  refused("residual_norm", [](Dry& d) {
    ops::residual_norm(d.tape, d.value({2, 3, 5}), d.value({2, 4, 5}),
                       {d.weight({5}), d.weight({5})}, {});
  });
  refused("residual_norm", [](Dry& d) {
    ops::residual_norm(d.tape, d.value({2, 3, 5}), d.value({2, 3, 5}),
                       {d.weight({5}), d.weight({6})}, {});
  });
}

TEST_CASE("attention refuses widths that the heads cannot share and passes of another length") {
  const HeadPasses passes = dense_passes(3);
  refused("attention", [&](Dry& d) {
    ops::attention(d.tape, d.value({1, 3, 4}), 2, passes);
  });  // no values
  refused("attention", [&](Dry& d) {
    ops::attention(d.tape, d.value({1, 3, 6}), 2, HeadPasses{});
  });
  refused("attention", [&](Dry& d) { ops::attention(d.tape, d.value({1, 4, 6}), 2, passes); });
}

TEST_CASE("embedding refuses tables of different widths, and too few positions") {
  refused("embedding", [](Dry& d) {
    ops::embedding(d.tape, d.of({1, 4}, DType::kI32),
                   {d.weight({9, 5}), d.weight({5}), {d.weight({4, 6})}});
  });
  refused("embedding", [](Dry& d) {
    ops::embedding(d.tape, d.of({1, 4}, DType::kI32),
                   {d.weight({9, 6}), d.weight({5}), {d.weight({4, 5})}});
  });
  refused("embedding", [](Dry& d) {
    ops::embedding(d.tape, d.of({1, 4}, DType::kI32),
                   {d.weight({9, 5}), d.weight({5}), {d.weight({2, 5})}});
  });
  refused("embedding", [](Dry& d) {
    ops::embedding(d.tape, d.of({1, 4}, DType::kI32), {d.weight({9, 5}), d.weight({5}), {}});
  });
}

TEST_CASE("cross_entropy refuses targets of another count or type") {
  refused("cross_entropy", [](Dry& d) {
    ops::cross_entropy(d.tape, d.value({1, 4, 9}), d.of({1, 3}, DType::kI32), 1);
  });
  refused("cross_entropy", [](Dry& d) {
    ops::cross_entropy(d.tape, d.value({1, 4, 9}), d.of({1, 4}, DType::kF32), 1);
  });
}

TEST_CASE("rows alone and the ops of decoding are refused on a tape that trains") {
  Queue queue = Queue::dry();
  Arena arena;
  Tape tape(queue, arena, Tape::Mode::kRecord);
  const auto of = [&](const Shape& shape, DType dtype = DType::kF64) {
    return arena.allocate(shape, dtype, MemoryTag::kInputs);
  };
  const Variable x = tape.variable(of({2, 1, 12}));
  expect_error(ErrorKind::kInternal, "linear", [&] {
    ops::linear(tape, x, {of({7, 12}), {}}, {}, true);
  });
  const HeadPasses passes = dense_passes(3);
  const HeadSlots slots{sparse::cache_slots(passes[0], 3)};
  const ops::LayerCache cache{of({2, 1, 3, 4}), of({2, 1, 3, 4}), &passes, &slots};
  const DecodeState state;
  expect_error(ErrorKind::kInternal, "attention_decode",
               [&] { ops::attention_decode(tape, x, 4, cache, &state); });
  const ops::EmbeddingTables tables{{of({5, 4}), {}}, {of({4}), {}}, {{of({3, 4}), {}}}};
  expect_error(ErrorKind::kInternal, "embedding_decode", [&] {
    ops::embedding_decode(tape, of({2, 1}, DType::kI32), tables, &state);
  });
}

TEST_CASE(
    "attention_decode refuses a cache of another batch or width, and more than one position") {
  const HeadPasses passes = dense_passes(3);
  const HeadSlots slots{sparse::cache_slots(passes[0], 3)};
  const DecodeState state;
  const auto decode = [&](Dry& d, const Shape& qkv, const Shape& keys, const Shape& values) {
    const Tensor k = d.of(keys), v = d.of(values);
    ops::attention_decode(d.tape, d.value(qkv), 4, {k, v, &passes, &slots}, &state);
  };
  Dry dry;
  decode(dry, {2, 1, 13}, {2, 1, 3, 4}, {2, 1, 3, 5});  // fits
  refused("attention_decode", [&](Dry& d) { decode(d, {2, 2, 13}, {2, 1, 3, 4}, {2, 1, 3, 5}); });
  refused("attention_decode", [&](Dry& d) { decode(d, {2, 1, 13}, {1, 1, 3, 4}, {1, 1, 3, 5}); });
  refused("attention_decode", [&](Dry& d) { decode(d, {2, 1, 13}, {2, 1, 3, 5}, {2, 1, 3, 5}); });
  refused("attention_decode", [&](Dry& d) { decode(d, {2, 1, 13}, {2, 1, 3, 4}, {2, 1, 4, 5}); });
}
