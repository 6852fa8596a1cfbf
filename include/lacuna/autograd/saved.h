// What the backward pass needs of the forward pass: results of ops, kept or made again. An op says
// of its results how they follow from its inputs (a Replay). Whoever builds a model decides which
// of them are dropped; a dropped result is made again when the backward pass first asks for it, by
// the same launches on the same inputs, so to the same bits, and is then held until its last Saved
// is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "lacuna/tensor/tensor.h"

namespace lacuna {

class Replay;

/// A result of an op by its origin: refers to it without holding its memory. What no op has made,
/// such as an input, is held.
class Result {
 public:
  Result() = default;
  /// Of no op: always at hand.
  explicit Result(Tensor held) : held_(std::move(held)) {}
  Result(std::shared_ptr<Replay> replay, size_t output)
      : replay_(std::move(replay)), output_(output) {}

  /// The tensor: as it is at hand, or made again.
  Tensor tensor() const;
  /// The same, but of the results that its op makes again no other one is held for those who have
  /// saved it: they are not asked for yet.
  Tensor tensor_alone() const;
  /// Both tensors; results of one op are made again at once.
  static std::pair<Tensor, Tensor> tensors(const Result& first, const Result& second);
  /// What is saved of it, before or after, is not kept: the backward pass makes it again. Nothing
  /// happens to what no op has made.
  void drop() const;

 private:
  friend class Saved;
  Tensor at_hand() const;  // or absent
  std::shared_ptr<Replay> replay_;
  size_t output_ = 0;
  Tensor held_;
};

/// A claim of the backward pass on a result. Copies share it.
class Saved {
 public:
  /// Of nothing: absent.
  Saved() = default;
  /// `value` is the result as the forward pass has it.
  Saved(const Result& result, const Tensor& value);

  /// The result, made again where it was dropped.
  const Tensor& get() const;

 private:
  friend class Result;
  friend class Replay;
  struct Holder {
    Result result;
    Tensor tensor;  // absent while dropped
  };
  std::shared_ptr<Holder> holder_;
};

/// How the results of one op follow from its inputs, as often as they are needed.
class Replay {
 public:
  /// Makes the outputs that are absent, and may make others anew. It refers to its inputs as
  /// Results, so that it keeps no memory alive.
  using Run = std::function<void(std::vector<Tensor>& outputs)>;
  Replay(size_t outputs, Run run) : run_(std::move(run)), outputs_(outputs) {}

 private:
  friend class Result;
  friend class Saved;
  struct Output {
    std::weak_ptr<Saved::Holder> holder;
    bool dropped = false;
  };
  static constexpr size_t kAll = SIZE_MAX;
  // Hands to those who have saved them all results that were absent, or only one.
  std::vector<Tensor> make(size_t handed = kAll);

  Run run_;
  std::vector<Output> outputs_;
};

}  // namespace lacuna
