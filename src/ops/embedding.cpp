#include "lacuna/kernels/embedding.h"

#include "lacuna/kernels/embedding_decode.h"
#include "lacuna/ops/decode.h"

namespace lacuna::ops {
namespace {

// The values of the position tables, once everything is known to fit together.
PositionTables position_values(const EmbeddingTables& tables, int64_t length) {
  require(!tables.position.empty() && tables.position.size() <= kMaxPositionTables,
          "ops::embedding", "one to three position tables are needed");
  const int64_t width = tables.start.value.size(0);
  PositionTables position;
  int64_t positions = 1;
  for (size_t k = 0; k < tables.position.size(); ++k) {
    position[k] = tables.position[k].value;
    positions *= position[k].size(0);
    require(position[k].size(1) == width, "ops::embedding", "tables of different widths");
  }
  require(tables.token.value.size(1) == width, "ops::embedding", "tables of different widths");
  require(positions >= length - 1, "ops::embedding", "more positions than the tables have");
  return position;
}

}  // namespace

Variable embedding(Tape& tape, const View& tokens, const EmbeddingTables& tables,
                   std::optional<DType> result) {
  const int64_t batch = tokens.size(0), length = tokens.size(1);
  const int64_t width = tables.start.value.size(0);
  const PositionTables position = position_values(tables, length);
  PositionTables dposition;
  for (size_t k = 0; k < tables.position.size(); ++k) dposition[k] = tables.position[k].gradient;
  const DType dtype = result.value_or(tables.start.value.dtype());
  const auto forward = [=, &tape, token = tables.token.value, start = tables.start.value] {
    const Tensor y = tape.allocate({batch, length, width}, dtype, MemoryTag::kActivations);
    launch(tape.queue(),
           EmbeddingForward{
               .tokens = tokens, .token = token, .start = start, .y = y, .position = position});
    return y;
  };
  const auto replay =
      tape.replay(1, [forward](std::vector<Tensor>& outputs) { outputs[0] = forward(); });
  const Variable y = tape.variable(forward(), {replay, 0});
  if (!tape.records()) return y;

  tape.record([&tape, tokens, dtoken = tables.token.gradient, dstart = tables.start.gradient,
               dposition, y = y.without_value()] {
    const Tensor dy = tape.take_gradient(y);
    launch(tape.queue(), EmbeddingBackward{.tokens = tokens,
                                           .dy = dy,
                                           .dtoken = dtoken,
                                           .dstart = dstart,
                                           .dposition = dposition});
  });
  return y;
}

Variable embedding_decode(Tape& tape, const View& tokens, const EmbeddingTables& tables,
                          const DecodeState* state, std::optional<DType> result) {
  require(!tape.records() && tokens.size(1) == 1, "ops::embedding_decode",
          "decoding takes one token of each sequence, and has no gradient");
  const PositionTables position = position_values(tables, 1);
  const View& start = tables.start.value;
  const Variable y = tape.variable(tape.allocate(
      {tokens.size(0), 1, start.size(0)}, result.value_or(start.dtype()), MemoryTag::kActivations));
  launch(tape.queue(), EmbeddingDecode{.tokens = tokens,
                                       .token = tables.token.value,
                                       .start = start,
                                       .y = y.value,
                                       .position = position,
                                       .state = state});
  return y;
}

}  // namespace lacuna::ops
