#include "../../src/train/gradient_sum.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "../catch.h"
#include "../comm/ranks.h"

using namespace lacuna;
using train::GradientSum, train::GradientSumConfig;

namespace {

constexpr int64_t kLayers = 3;

nn::ModelConfig tiny_model() {
  nn::ModelConfig config;
  config.layers = kLayers;
  config.heads = 2;
  config.width = 16;
  config.context = 8;
  config.attention = {"local(4)"};
  return config.resolved();
}

void draw(const View& x, int rank) {
  std::mt19937 random(static_cast<unsigned>(rank) + 1);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < x.count(); ++i) x.data<float>()[i] = normal(random);
}

// Counts what it is asked for and hands it on.
class Counting : public Communicator {
 public:
  explicit Counting(Group& group) : inner_(make_gloo(group)) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  void all_reduce(Queue& queue, const View& x) override {
    counts.push_back(x.count());
    inner_->all_reduce(queue, x);
  }
  void reduce_scatter(Queue& queue, const View& x) override {
    counts.push_back(-x.count());
    inner_->reduce_scatter(queue, x);
  }
  void all_gather(Queue& queue, const View& x) override { inner_->all_gather(queue, x); }
  void broadcast(Queue& queue, const View& x) override { inner_->broadcast(queue, x); }
  void abort() noexcept override { inner_->abort(); }
  std::string description() const override { return inner_->description(); }
  size_t bytes() const override { return inner_->bytes(); }

  std::vector<int64_t> counts;

 private:
  std::unique_ptr<Communicator> inner_;
};

struct Summed {
  std::vector<int64_t> counts;  // of the operations; negative: to parts
  std::vector<float> gradients;
};

// What a rank has after two backward passes that tell of each layer, the second of which counts.
Summed summed(Group& group, const GradientSumConfig& config) {
  Queue queue = Queue::cpu(1);
  Counting communicator(group);
  const nn::ParameterStore parameters(queue, parameter_specs(tiny_model()), DType::kF32, true,
                                      group.size());
  GradientSum sum(queue, communicator, parameters, kLayers, config);
  for (int pass = 0; pass < 2; ++pass) {
    communicator.counts.clear();
    draw(parameters.gradients(), group.rank());
    for (int64_t layer = kLayers - 1; layer >= -1; --layer) sum.ready(layer);
  }
  const auto* first = parameters.gradients().data<float>();
  return {communicator.counts, {first, first + parameters.flat_count()}};
}

void want(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

void on_ranks(int size, const std::function<void(Group&)>& work) {
  for (const std::string& text : run_ranks(size, work)) CHECK(text == "");
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

}  // namespace

TEST_CASE("gradients that are added in buckets are those that are added at once") {
  for (const int size : {2, 3}) {
    on_ranks(size, [size](Group& group) {
      const Summed whole = summed(group, {});
      const auto all = static_cast<int64_t>(whole.gradients.size());
      want(whole.counts == std::vector<int64_t>{all}, "0 is all at once");
      const Summed buckets = summed(group, {.bucket_bytes = 4000});
      want(buckets.counts.size() == 4, "one for the head and one or two for each layer");
      int64_t added = 0;
      for (const int64_t count : buckets.counts) added += count;
      want(added == all, "each once");
      // The sum of two has one order; that of three depends on where in a bucket an element lies.
      const double difference = largest_difference(whole.gradients, buckets.gradients);
      want(size == 2 ? difference == 0 : difference < 2e-6, "the same sums");
    });
  }
}

TEST_CASE("a bucket has only gradients that are final") {
  on_ranks(2, [](Group& group) {
    Queue queue = Queue::cpu(1);
    Counting communicator(group);
    const nn::ParameterStore parameters(queue, parameter_specs(tiny_model()), DType::kF32, true);
    GradientSum sum(queue, communicator, parameters, kLayers, {.bucket_bytes = 4});
    const auto of_blocks_from = [&](int64_t layer) {  // and of what comes after them
      int64_t count = 0;
      for (const nn::ParameterSlice& slice : parameters.slices()) {
        const bool block = slice.name.starts_with("blocks.");
        const bool later = block ? std::stoll(slice.name.substr(7)) >= layer
                                 : slice.name.find("embedding") == std::string::npos;
        const int64_t padded = (slice.count + nn::kAlignElements - 1) / nn::kAlignElements;
        if (later) count += padded * nn::kAlignElements;
      }
      return count;
    };
    int64_t added = 0;
    for (int64_t layer = kLayers - 1; layer >= 0; --layer) {
      sum.ready(layer);
      added += communicator.counts.back();
      want(added == of_blocks_from(layer + 1), "those of the blocks after this one");
    }
  });
}

TEST_CASE("gradients that are added in bf16 are rounded before and after") {
  on_ranks(2, [](Group& group) {
    const GradientSumConfig config{.bucket_bytes = 4000, .in_bf16 = true};
    const Summed exact = summed(group, {}), rounded = summed(group, config);
    for (size_t i = 0; i < exact.gradients.size(); ++i) {
      const float own = rounded.gradients[i];
      want(to_f32(to_bf16(own)) == own, "a number of bf16");
    }
    const double difference = largest_difference(exact.gradients, rounded.gradients);
    want(difference > 1e-3 && difference < 0.05, "8 bits of it are right");
  });
}

TEST_CASE("where the optimizer is in parts each rank gets the sum of its own") {
  on_ranks(2, [](Group& group) {
    for (const bool in_bf16 : {false, true}) {
      const Summed whole = summed(group, {.in_bf16 = in_bf16});
      const Summed parts = summed(group, {.bucket_bytes = 4000, .in_bf16 = in_bf16, .parts = true});
      const size_t each = whole.gradients.size() / 2;
      want(parts.counts == std::vector<int64_t>{-static_cast<int64_t>(2 * each)}, "one operation");
      const size_t begin = each * static_cast<size_t>(group.rank());
      for (size_t i = begin; i < begin + each; ++i) {
        want(parts.gradients[i] == whole.gradients[i], "the same sums");
      }
    }
  });
}
