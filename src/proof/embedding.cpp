// The embedding: of whole sequences, its gradient, and of one position.
#include "lacuna/kernels/embedding.h"

#include "entry.h"
#include "lacuna/kernels/embedding_decode.h"

namespace lacuna::proof {
namespace {

Shape sizes_of(const EmbeddingSize& size) {
  return {size.batch, size.length, size.classes, size.width};
}

View tokens_of(Operands& o, const EmbeddingSize& size) {
  return o.indices("tokens", {size.batch, size.length}, size.drawn > 0 ? size.drawn : size.classes);
}

PositionTables position_tables(Operands& o, const EmbeddingSize& size) {
  PositionTables tables;
  for (size_t k = 0; k < size.tables.size(); ++k) {
    tables[k] = o.wide_input(str("position ", k), {size.tables[k], size.width});
  }
  return tables;
}

PositionTables position_gradients(Operands& o, const EmbeddingSize& size) {
  PositionTables tables;
  for (size_t k = 0; k < size.tables.size(); ++k) {
    tables[k] = o.updated(str("dposition ", k), {size.tables[k], size.width}, kSums);
  }
  return tables;
}

std::string variant_of(const EmbeddingSize& size) {
  std::vector<std::string> rows;
  for (const int64_t table : size.tables) rows.push_back(std::to_string(table));
  return str(", tables [", join(rows, ", "), "]",
             size.drawn > 0 ? str(", tokens below ", size.drawn) : "");
}

}  // namespace

Entry embedding_forward(const EmbeddingSize& size) {
  return entry(
      sizes_of(size),
      [size](Operands& o) {
        return EmbeddingForward{.tokens = tokens_of(o, size),
                                .token = o.wide_input("token", {size.classes, size.width}),
                                .start = o.wide_input("start", {size.width}),
                                .y = o.output("y", {size.batch, size.length, size.width}, kStored),
                                .position = position_tables(o, size)};
      },
      variant_of(size));
}

Entry embedding_backward(const EmbeddingSize& size) {
  return entry(
      sizes_of(size),
      [size](Operands& o) {
        return EmbeddingBackward{.tokens = tokens_of(o, size),
                                 .dy = o.input("dy", {size.batch, size.length, size.width}),
                                 .dtoken = o.updated("dtoken", {size.classes, size.width}, kSums),
                                 .dstart = o.updated("dstart", {size.width}, kSums),
                                 .dposition = position_gradients(o, size)};
      },
      variant_of(size));
}

Entry embedding_decode(const EmbeddingSize& size, int64_t position) {
  const auto make = [size, position](Operands& o) {
    const auto state = std::make_shared<OnDevice<DecodeState>>(o.put(DecodeState{position}));
    const View tokens = o.indices("tokens", {size.batch, 1}, size.classes);
    if (position == 0) o.queue().fill(tokens, 0x80);  // far from any row: they must not be read
    const EmbeddingDecode op{
        .tokens = tokens,
        .token = o.wide_input("token", {size.classes, size.width}),
        .start = o.wide_input("start", {size.width}),
        .y = o.output(str("y ", position), {size.batch, 1, size.width}, kStored),
        .position = position_tables(o, size),
        .state = state->get()};
    return launching(o, op, state);
  };
  return {.name = str("EmbeddingDecode ", sizes_of(size).text(), " at ", position), .make = make};
}

}  // namespace lacuna::proof
