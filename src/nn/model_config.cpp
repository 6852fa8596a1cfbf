// Filling in and checking a model's configuration, and the parameters that follow from it.
#include <algorithm>
#include <cmath>

#include "lacuna/base/text.h"
#include "lacuna/nn/transformer.h"

namespace lacuna::nn {
namespace {

void check(bool holds, const char* option, const std::string& message, const std::string& hint) {
  if (!holds) throw Error(ErrorKind::kConfig, option, message, hint);
}

// Rows beyond the context would never be read.
std::vector<int64_t> default_tables(const ModelConfig& config) {
  for (const std::string& text : config.attention) {
    const int64_t stride = sparse::parse_pattern(text)->stride();
    if (stride > 0) {
      return {(config.context + stride - 1) / stride, std::min(stride, config.context)};
    }
  }
  return {config.context};
}

}  // namespace

ModelConfig ModelConfig::resolved() const {
  ModelConfig full = *this;
  if (full.qk_width == 0) full.qk_width = width;
  if (full.feedforward_width == 0) full.feedforward_width = 4 * width;
  check(!attention.empty(), "model.attention", "no pattern is given", "Try [\"fixed(128, 32)\"]");
  check(width % heads == 0, "model.width",
        str(width, " is not a multiple of model.heads = ", heads), "Choose a multiple");
  check(full.qk_width % heads == 0, "model.qk_width",
        str(full.qk_width, " is not a multiple of model.heads = ", heads), "Choose a multiple");
  if (full.position_tables.empty()) full.position_tables = default_tables(*this);
  check(full.position_tables.size() <= 3, "model.position_tables",
        str(full.position_tables.size(), " tables are given, at most 3 are possible"), "");
  int64_t positions = 1;
  for (const int64_t size : full.position_tables) {
    check(size >= 1 && size <= (int64_t{1} << 24), "model.position_tables",
          str("a table of ", size, " rows"), "Sizes lie between 1 and 16777216");
    positions = std::min(positions * size, context);  // more would not matter, and could overflow
  }
  check(positions >= context, "model.position_tables",
        str("the tables tell ", positions, " positions apart, model.context has ", context),
        "Their product must be at least the context");
  return full;
}

std::vector<ParameterSpec> parameter_specs(const ModelConfig& config) {
  const bool paper = config.init == InitScheme::kPaperText;
  const auto width = static_cast<double>(config.width);
  const auto tables = static_cast<double>(config.position_tables.size());
  const double depth = 1 / std::sqrt(2 * static_cast<double>(config.layers));
  const auto weight_std = [&](int64_t in) {
    const auto fan_in = static_cast<double>(in);
    return paper ? 0.125 / std::sqrt(fan_in) : std::sqrt(0.125 / fan_in);
  };
  double token_std = paper ? 0.125 / std::sqrt(width) : 0.01;
  if (config.embedding_std > 0) token_std = config.embedding_std;
  const double position_std = token_std / std::sqrt(tables);

  std::vector<ParameterSpec> specs;
  const auto linear = [&](const std::string& name, int64_t out, int64_t in, double scale) {
    specs.push_back({name + ".weight", {out, in}, weight_std(in) * scale});
    specs.push_back({name + ".bias", {out}});
  };
  const auto norm = [&](const std::string& name) {
    specs.push_back({name + ".gain", {config.width}, 0, 1, true});
    specs.push_back({name + ".bias", {config.width}, 0, 0, true});
  };
  specs.push_back({"embedding.token", {config.vocabulary, config.width}, token_std, 0, true});
  for (size_t k = 0; k < config.position_tables.size(); ++k) {
    specs.push_back({str("embedding.position.", k),
                     {config.position_tables[k], config.width},
                     position_std,
                     0,
                     true});
  }
  specs.push_back({"embedding.start", {config.width}, token_std, 0, true});
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = str("blocks.", layer);
    norm(block + ".attention.norm");
    linear(block + ".attention.qkv", 2 * config.qk_width + config.width, config.width, 1);
    linear(block + ".attention.project", config.width, config.width, depth);
    norm(block + ".feedforward.norm");
    linear(block + ".feedforward.up", config.feedforward_width, config.width, 1);
    linear(block + ".feedforward.down", config.width, config.feedforward_width, depth);
  }
  norm("norm");
  specs.push_back({"head.weight", {config.vocabulary, config.width}});
  return specs;
}

}  // namespace lacuna::nn
