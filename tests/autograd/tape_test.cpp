#include "lacuna/autograd/tape.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "../catch.h"
#include "../expect_error.h"
#include "../random_tensor.h"

using namespace lacuna;

namespace {

Tensor row(std::initializer_list<double> values) {
  Tensor made = Tensor::zeros({static_cast<int64_t>(values.size())}, DType::kF64);
  std::copy(values.begin(), values.end(), made.view().data<double>());
  return made;
}

struct Fixture {
  Queue queue = Queue::cpu(1);
  Arena arena;  // recording: these tests bring their own memory
};

}  // namespace

TEST_CASE("Records run once each, the latest first, and are dropped as soon as they have run") {
  Fixture f;
  Tape tape(f.queue, f.arena, Tape::Mode::kRecord);
  std::vector<int> order;
  std::vector<std::weak_ptr<int>> kept;
  for (int i = 0; i < 3; ++i) {
    const auto memory = std::make_shared<int>(i);
    kept.push_back(memory);
    tape.record([&order, &kept, memory] {
      order.push_back(*memory);
      // Everything recorded later has been dropped already.
      for (size_t later = static_cast<size_t>(*memory) + 1; later < 3; ++later) {
        CHECK(kept[later].expired());
      }
    });
  }
  CHECK_FALSE(kept[0].expired());
  tape.backward();
  CHECK(order == std::vector<int>{2, 1, 0});
  CHECK(kept[0].expired());
  tape.backward();
  CHECK(order.size() == 3);
}

TEST_CASE("A gradient is the sum of all contributions, and is handed over once") {
  Fixture f;
  Tape tape(f.queue, f.arena, Tape::Mode::kRecord);
  const Variable a = tape.variable(row({1, 2})), b = tape.variable(row({3, 4}));
  CHECK(a.slot != b.slot);
  CHECK_FALSE(tape.take_gradient_if_any(a).present());
  const Variable copy = a;  // shares the gradient
  tape.add_gradient(a, row({10, 20}));
  tape.add_gradient(copy, row({1, 2}));
  tape.add_gradient(b, row({5, 5}));
  tape.add_gradient(a, row({100, 200}));
  CHECK(elements<double>(tape.take_gradient(a)) == std::vector<double>{111, 222});
  CHECK(elements<double>(tape.take_gradient(b)) == std::vector<double>{5, 5});
  CHECK_FALSE(tape.take_gradient_if_any(a).present());
  expect_error(ErrorKind::kInternal, "never used", [&] { tape.take_gradient(a); });
  CHECK(elements<double>(a.value) == std::vector<double>{1, 2});
}

TEST_CASE("A tape that evaluates gives its variables no gradient") {
  Fixture f;
  Tape tape(f.queue, f.arena, Tape::Mode::kForward);
  CHECK_FALSE(tape.records());
  const Variable x = tape.variable(row({1, 2}));
  CHECK(x.slot == -1);
  CHECK(x.present());
  const Tensor gradient = row({3, 4});
  tape.add_gradient(x, gradient);  // goes nowhere
  expect_error(ErrorKind::kInternal, "no gradient", [&] { tape.take_gradient(x); });
}

TEST_CASE("The memory of a contribution is free again once it has been added to another") {
  Fixture f;
  Queue dry = Queue::dry();
  Tape tape(dry, f.arena, Tape::Mode::kRecord);
  const auto gradient = [&] {
    return tape.allocate({16}, DType::kF64, MemoryTag::kActivationGradients);
  };
  const Variable x = tape.variable(tape.allocate({16}, DType::kF64, MemoryTag::kActivations));
  tape.add_gradient(x, gradient());
  tape.add_gradient(x, gradient());
  tape.add_gradient(x, gradient());
  const MemoryPlan plan = f.arena.plan();
  REQUIRE(plan.lifetimes.size() == 4);
  const int64_t forever = std::numeric_limits<int64_t>::max();
  CHECK(plan.lifetimes[1].death == forever);  // the one that holds the sum
  CHECK(plan.lifetimes[2].death < plan.lifetimes[3].birth);
  CHECK(plan.lifetimes[3].death < forever);
  CHECK(plan.total == 3 * 128);
}
