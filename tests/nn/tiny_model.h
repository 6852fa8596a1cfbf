// A transformer small enough for central differences, with weights of ordinary size everywhere (the
// real head starts at zero, which would hide most gradients).
#pragma once

#include <memory>
#include <vector>

#include "lacuna/base/rng.h"
#include "lacuna/nn/transformer.h"

namespace lacuna {

inline std::vector<nn::ParameterSpec> lively(std::vector<nn::ParameterSpec> specs) {
  for (nn::ParameterSpec& spec : specs) spec.std = 0.3;
  return specs;
}

struct TinyModel {
  nn::ModelConfig config;
  std::vector<nn::ParameterSpec> specs;
  std::unique_ptr<nn::ParameterStore> parameters;
  std::unique_ptr<nn::Transformer> model;
  Tensor tokens;
  StepState state;

  TinyModel(const nn::ModelConfig& wanted, int64_t batch, DType dtype, uint64_t seed)
      : config(wanted.resolved()), specs(lively(nn::parameter_specs(config))) {
    parameters = std::make_unique<nn::ParameterStore>(specs, dtype, true);
    parameters->initialise(specs, seed);
    model = std::make_unique<nn::Transformer>(config, *parameters);
    tokens = Tensor::zeros({batch, config.context}, DType::kI32);
    for (int64_t i = 0; i < tokens.view().count(); ++i) {
      token(i) = static_cast<int32_t>(mix64(seed * 1000 + static_cast<uint64_t>(i)) %
                                      static_cast<uint64_t>(config.vocabulary));
    }
    state.inputs.dropout_key = random_key(seed, RandomUse::kDropout, 0);
  }

  int32_t& token(int64_t i) const { return tokens.view().data<int32_t>()[i]; }
};

/// Every kind of pattern and of combination, over strides that do and do not divide small contexts.
inline const std::vector<std::vector<std::string>>& all_combinations() {
  static const std::vector<std::vector<std::string>> combinations = {
      {"dense()"},
      {"local(4)"},
      {"local(4, window=paper)"},
      {"column(4)"},
      {"block(4)"},
      {"summary(4, 2)"},
      {"strided(4)"},
      {"strided(5, window=paper)"},
      {"fixed(4, 1)"},
      {"fixed(6, 2, 2)"},
      {"local(3) + summary(6, 2)"},
      {"local(7) + column(3)"},
      {"local(4) | column(4)"},
      {"summary(4, 1, 2) | strided(4)"},
      {"local(4)", "local(4)", "local(4)", "column(4)"},
      {"fixed(4, 2)", "dense()", "local(2) | block(8)"},
  };
  return combinations;
}

}  // namespace lacuna
