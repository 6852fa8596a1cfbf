#include "lacuna/tensor/shared_block.h"

#include <cmath>

#include "../catch.h"
#include "../expect_error.h"
#include "lacuna/tensor/memory.h"

using namespace lacuna;

namespace {

// Of a step that allocates one tensor of so many floats.
MemoryPlan plan_of(int64_t floats) {
  Arena recorder;
  const Tensor tensor = recorder.allocate({floats}, DType::kF32, MemoryTag::kActivations);
  return recorder.plan();
}

Tensor allocate_in(Arena& arena, int64_t floats) {
  arena.rewind();
  return arena.allocate({floats}, DType::kF32, MemoryTag::kActivations);
}

}  // namespace

TEST_CASE("A block is as large as the largest reservation, and never moves") {
  SharedBlock block(Queue::cpu(1));
  for (const size_t bytes : {100, 4000, 300}) block.reserve(bytes);
  CHECK(block.bytes() == 4000);
  CHECK(!block.taken());
  uint8_t* const data = block.data();
  CHECK(block.taken());
  for (size_t i = 0; i < 1000; ++i) CHECK(std::isnan(reinterpret_cast<float*>(data)[i]));
  data[3999] = 7;
  block.reserve(4000);
  CHECK(block.data() == data);
  CHECK(data[3999] == 7);
  expect_error(ErrorKind::kInternal, "SharedBlock::reserve", [&] { block.reserve(4001); });
  CHECK(block.bytes() == 4000);
}

TEST_CASE("Work in a block is numbered") {
  SharedBlock block(Queue::cpu(1));
  CHECK(block.last_work() == 0);
  CHECK(block.begin_work() == 1);
  CHECK(block.begin_work() == 2);
  CHECK(block.last_work() == 2);
}

TEST_CASE("Arenas that share a block begin at its start") {
  const auto block = std::make_shared<SharedBlock>(Queue::cpu(1));
  const MemoryPlan small = plan_of(10), large = plan_of(1000);
  block->reserve(small.total);
  block->reserve(large.total);
  Arena first(block, small), second(block, large);
  CHECK(block->bytes() == large.total);
  CHECK(allocate_in(first, 10).view().raw() == block->data());
  CHECK(allocate_in(second, 1000).view().raw() == block->data());
}

TEST_CASE("An arena whose plan was not reserved before the block was taken is refused") {
  const auto block = std::make_shared<SharedBlock>(Queue::cpu(1));
  const Arena first(block, plan_of(10));
  expect_error(ErrorKind::kInternal, "SharedBlock::reserve", [&] { Arena(block, plan_of(1000)); });
}
