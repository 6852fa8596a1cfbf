#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../catch.h"
#include "lacuna/comm/communicator.h"
#include "lacuna/comm/group.h"
#include "ranks.h"

using namespace lacuna;

namespace {

// Small whole numbers: sums of any order are exact, in every type.
float value_of(int rank, int64_t i) {
  return static_cast<float>((i * 7 + rank * 5) % 13 - 6);
}

void set_element(const View& x, int64_t i, float value) {
  switch (x.dtype()) {
    case DType::kF64:
      x.data<double>()[i] = value;
      break;
    case DType::kF32:
      x.data<float>()[i] = value;
      break;
    case DType::kBF16:
      x.data<BFloat16>()[i] = to_bf16(value);
      break;
    default:
      x.data<uint8_t>()[i] = static_cast<uint8_t>(value + 100);
  }
}

double element(const View& x, int64_t i) {
  switch (x.dtype()) {
    case DType::kF64:
      return x.data<double>()[i];
    case DType::kF32:
      return static_cast<double>(x.data<float>()[i]);
    case DType::kBF16:
      return static_cast<double>(to_f32(x.data<BFloat16>()[i]));
    default:
      return x.data<uint8_t>()[i] - 100;
  }
}

Tensor values_of(int rank, int64_t count, DType dtype) {
  Tensor x = Tensor::zeros({count}, dtype);
  for (int64_t i = 0; i < count; ++i) set_element(x, i, value_of(rank, i));
  return x;
}

double sum_over(int size, int64_t i) {
  double sum = 0;
  for (int rank = 0; rank < size; ++rank) sum += static_cast<double>(value_of(rank, i));
  return sum;
}

void want(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

void check_all_went_well(const std::vector<std::string>& thrown) {
  for (const std::string& text : thrown) CHECK(text == "");
}

void want_sums(Communicator& gloo, Queue& queue, int64_t count, DType dtype) {
  const Tensor x = values_of(gloo.rank(), count, dtype);
  gloo.all_reduce(queue, x);
  for (int64_t i = 0; i < count; ++i) {
    want(element(x, i) == sum_over(gloo.size(), i), "all_reduce");
  }
}

// Of `each` elements a rank.
void want_parts(Communicator& gloo, Queue& queue, int64_t each, DType dtype) {
  const int64_t begin = gloo.rank() * each;
  if (dtype != DType::kU8) {
    const Tensor x = values_of(gloo.rank(), each * gloo.size(), dtype);
    gloo.reduce_scatter(queue, x);
    for (int64_t i = begin; i < begin + each; ++i) {
      want(element(x, i) == sum_over(gloo.size(), i), "reduce_scatter");
    }
  }
  const Tensor x = values_of(gloo.rank(), each * gloo.size(), dtype);
  gloo.all_gather(queue, x);
  for (int64_t i = 0; i < each * gloo.size(); ++i) {
    want(element(x, i) == static_cast<double>(value_of(static_cast<int>(i / each), i)),
         "all_gather");
  }
}

void want_broadcast(Communicator& gloo, Queue& queue, int64_t count, DType dtype) {
  const Tensor x = values_of(gloo.rank(), count, dtype);
  gloo.broadcast(queue, x);
  for (int64_t i = 0; i < count; ++i) {
    want(element(x, i) == static_cast<double>(value_of(0, i)), "broadcast");
  }
}

}  // namespace

TEST_CASE("collective operations of Gloo are plain sums and copies, whatever the size and type") {
  for (const int size : {1, 2, 3, 4}) {
    check_all_went_well(run_ranks(size, [](Group& group) {
      const std::unique_ptr<Communicator> gloo = make_gloo(group);
      Queue queue = Queue::cpu(1);
      for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16, DType::kU8}) {
        for (const int64_t count : {0, 1, 2, 3, 5, 63, 1025, 70'001}) {
          if (dtype != DType::kU8) want_sums(*gloo, queue, count, dtype);
          want_broadcast(*gloo, queue, count, dtype);
        }
        for (const int64_t each : {0, 1, 7, 20'001}) want_parts(*gloo, queue, each, dtype);
      }
    }));
  }
}

TEST_CASE("sums of Gloo have the same bits on all ranks and again") {
  for (const int size : {2, 4}) {
    check_all_went_well(run_ranks(size, [](Group& group) {
      const std::unique_ptr<Communicator> gloo = make_gloo(group);
      Queue queue = Queue::cpu(1);
      for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16}) {
        std::string first;
        for (int turn = 0; turn < 3; ++turn) {
          const Tensor x = Tensor::zeros({100'007}, dtype);
          std::mt19937 random(static_cast<unsigned>(group.rank()));
          std::normal_distribution<float> normal;
          for (int64_t i = 0; i < x.view().count(); ++i) set_element(x, i, normal(random));
          gloo->all_reduce(queue, x);
          const std::string bits(static_cast<const char*>(x.view().raw()), x.view().bytes());
          if (turn == 0) first = bits;
          want(bits == first, "another sum the next time");
          want(bits == group.from_first("bits", bits), "another sum on rank 0");
        }
      }
    }));
  }
}

TEST_CASE("a collective operation that a rank has left tells who it was") {
  const std::vector<std::string> thrown = run_ranks(3, [](Group& group) {
    const std::unique_ptr<Communicator> gloo = make_gloo(group);
    Queue queue = Queue::cpu(1);
    group.exchange("met", "");
    if (group.rank() == 1) throw std::runtime_error("out of luck");
    const Tensor x = values_of(group.rank(), 1000, DType::kF32);
    gloo->all_reduce(queue, x);
  });
  CHECK(thrown[0] == "all_reduce: rank 1 has failed: it ends with an error.");
  CHECK(thrown[1] == "out of luck");
  CHECK(thrown[2] == "all_reduce: rank 1 has failed: it ends with an error.");
}

TEST_CASE("an abort frees those that wait for this rank in a collective operation") {
  check_all_went_well(run_ranks(2, [](Group& group) {
    const std::unique_ptr<Communicator> gloo = make_gloo(group);
    Queue queue = Queue::cpu(1);
    bool freed = false;
    if (group.is_first()) {
      gloo->abort();
    } else {
      const Tensor x = values_of(group.rank(), 1000, DType::kF32);
      try {
        gloo->all_reduce(queue, x);
      } catch (const Error&) {
        freed = true;
      }
    }
    want(group.any("freed", freed), "not freed");
  }));
}
