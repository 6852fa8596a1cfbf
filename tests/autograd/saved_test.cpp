#include "lacuna/autograd/saved.h"

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;

namespace {

Tensor number(double value) {
  const Tensor made = Tensor::zeros({1}, DType::kF64);
  *made.view().data<double>() = value;
  return made;
}

double value_of(const Tensor& tensor) {
  return *tensor.view().data<double>();
}

/// An op with two results, value and 10 * value, that counts how often it is run again.
struct Op {
  int runs = 0;
  std::shared_ptr<Replay> replay;
  Result first, tenfold;

  explicit Op(double value) {
    replay = std::make_shared<Replay>(2, [this, value](std::vector<Tensor>& outputs) {
      ++runs;
      outputs = {number(value), number(10 * value)};
    });
    first = {replay, 0};
    tenfold = {replay, 1};
  }
};

}  // namespace

TEST_CASE("What is kept is never made again") {
  Op op(3);
  const Saved saved(op.first, number(3));
  CHECK(value_of(saved.get()) == 3);
  CHECK(op.runs == 0);
}

TEST_CASE("What is dropped is made again once, for all who have saved it, and then held") {
  Op op(3);
  const Saved before(op.first, number(-1)), beside(op.tenfold, number(-1));
  op.first.drop();
  op.tenfold.drop();
  const Saved after(op.first, number(-1));
  CHECK(value_of(after.get()) == 3);
  CHECK(value_of(before.get()) == 3);
  CHECK(value_of(beside.get()) == 30);
  CHECK(before.get().view().raw() == after.get().view().raw());
  CHECK(op.runs == 1);
}

TEST_CASE("One result of an op can be dropped and another kept") {
  Op op(4);
  const Saved first(op.first, number(4)), tenfold(op.tenfold, number(-1));
  op.tenfold.drop();
  const void* kept = first.get().view().raw();
  CHECK(value_of(tenfold.get()) == 40);
  CHECK(first.get().view().raw() == kept);
}

TEST_CASE("A result that nobody has saved is made again each time, two of one op at once") {
  Op op(5), other(7);
  CHECK(value_of(op.first.tensor()) == 5);
  CHECK(value_of(op.first.tensor()) == 5);
  CHECK(op.runs == 2);
  const auto [first, tenfold] = Result::tensors(op.first, op.tenfold);
  CHECK(value_of(first) == 5);
  CHECK(value_of(tenfold) == 50);
  CHECK(op.runs == 3);
  CHECK(value_of(Result::tensors(op.tenfold, other.first).second) == 7);
}

TEST_CASE("A result is held until the last Saved of it is gone") {
  Op op(6);
  std::weak_ptr<const void> memory;
  const auto owned = [&] {
    const auto owner = std::make_shared<int>(0);
    memory = owner;
    return Tensor(number(6).view(), owner);
  };
  {
    const Saved saved(op.first, owned());
    const Saved copy = saved;  // NOLINT: shares it
    CHECK_FALSE(memory.expired());
  }
  CHECK(memory.expired());
  const Saved dropped(op.first, owned());
  op.first.drop();
  CHECK(memory.expired());
}

TEST_CASE("What no op has made is held, whatever is said") {
  const Tensor tensor = number(8);
  const Result input(tensor);
  input.drop();
  CHECK(value_of(input.tensor()) == 8);
  CHECK(value_of(Saved(input, tensor).get()) == 8);
  expect_error(ErrorKind::kInternal, "nothing was saved", [] { Saved().get(); });
}
