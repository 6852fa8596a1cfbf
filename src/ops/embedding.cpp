#include "lacuna/kernels/embedding.h"

#include "lacuna/ops/ops.h"

namespace lacuna::ops {

Variable embedding(Tape& tape, const View& tokens, const EmbeddingTables& tables,
                   std::optional<DType> result) {
  const int64_t batch = tokens.size(0), length = tokens.size(1);
  const int64_t width = tables.start.value.size(0);
  require(!tables.position.empty() && tables.position.size() <= kMaxPositionTables,
          "ops::embedding", "one to three position tables are needed");
  PositionTables position, dposition;
  int64_t positions = 1;
  for (size_t k = 0; k < tables.position.size(); ++k) {
    position[k] = tables.position[k].value;
    dposition[k] = tables.position[k].gradient;
    positions *= position[k].size(0);
    require(position[k].size(1) == width, "ops::embedding", "tables of different widths");
  }
  require(tables.token.value.size(1) == width, "ops::embedding", "tables of different widths");
  require(positions >= length - 1, "ops::embedding", "more positions than the tables have");

  const DType dtype = result.value_or(tables.start.value.dtype());
  const Variable y =
      tape.variable(tape.allocate({batch, length, width}, dtype, MemoryTag::kActivations));
  launch(tape.queue(), EmbeddingForward{.tokens = tokens,
                                        .token = tables.token.value,
                                        .start = tables.start.value,
                                        .y = y.value,
                                        .position = position});
  if (!tape.training()) return y;

  tape.record([&tape, tokens, dtoken = tables.token.gradient, dstart = tables.start.gradient,
               dposition, y = Variable{{}, y.slot}] {
    const Tensor dy = tape.take_gradient(y);
    launch(tape.queue(), EmbeddingBackward{.tokens = tokens,
                                           .dy = dy,
                                           .dtoken = dtoken,
                                           .dstart = dstart,
                                           .dposition = dposition});
  });
  return y;
}

}  // namespace lacuna::ops
