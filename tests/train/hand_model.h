// A model in double precision that is small enough to check by hand.
#pragma once

#include <cmath>
#include <vector>

#include "lacuna/train/program.h"

struct HandModel {
  static constexpr int64_t kContext = 6, kVocabulary = 5;

  HandModel() {
    // A fresh head is zero, and with it all logits.
    double* head = values("head.weight");
    for (int64_t i = 0; i < kVocabulary * config.width; ++i) {
      head[i] = std::sin(static_cast<double>(3 * i + 1));
    }
  }

  double* values(const std::string& name) { return parameters.at(name).value.data<double>(); }

  /// From now on the logits are these at every position, whatever the tokens: the last norm gives
  /// (1, 0, 0, ...), and the head's first column holds the logits.
  void fix_logits(const std::vector<double>& logits) {
    for (int64_t c = 0; c < config.width; ++c) {
      values("norm.gain")[c] = 0;
      values("norm.bias")[c] = c == 0 ? 1 : 0;
    }
    for (size_t j = 0; j < logits.size(); ++j) {
      values("head.weight")[static_cast<int64_t>(j) * config.width] = logits[j];
    }
  }

  lacuna::nn::ModelConfig config = [] {
    lacuna::nn::ModelConfig wanted{.layers = 2, .heads = 2, .width = 8, .context = kContext};
    wanted.vocabulary = kVocabulary;
    wanted.attention = {"strided(2)"};
    wanted.embedding_std = 1;
    return wanted.resolved();
  }();
  lacuna::nn::ParameterStore parameters = [this] {
    const auto specs = lacuna::nn::parameter_specs(config);
    lacuna::nn::ParameterStore store(specs, lacuna::DType::kF64, false);
    store.initialise(specs, 5);
    return store;
  }();
  lacuna::nn::Transformer model{config, parameters};
  lacuna::Queue queue = lacuna::Queue::cpu(1);
};
