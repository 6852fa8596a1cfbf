// The sizes of the paper's models and the kernels on them.
#include "entry.h"
#include "lacuna/proof/cases.h"

namespace lacuna::proof {
namespace {

struct Model {
  const char* name;
  int64_t batch, length, width, inner, classes;
  std::vector<int64_t> tables;
};
const Model kModels[] = {{"enwik8", 8, 12288, 512, 2048, 256, {96, 128}},
                         {"cifar10", 16, 3072, 256, 512, 256, {32, 32, 3}},
                         {"imagenet64", 4, 12288, 512, 2048, 256, {64, 64, 3}}};
constexpr int64_t kWeights = 95'000'000;

}  // namespace

std::vector<BenchCase> bench_cases(DType activations) {
  std::vector<BenchCase> cases;
  for (const Model& m : kModels) {
    const int64_t rows = m.batch * m.length;
    const auto add = [&](const std::string& kernel, const Entry& entry) {
      cases.push_back({kernel, m.name, entry});
    };
    // What a kernel can reach at this size at all: one read, one write, nothing to compute.
    add("a copy of that size", convert(rows * m.width, Holds::kActivations, Holds::kActivations));
    add("layernorm forward", layernorm_forward({rows, m.width}));
    add("layernorm backward", layernorm_backward({rows, m.width}));
    for (const double rate : {0.0, 0.25}) {
      const SeamSize seam{.batch = m.batch, .length = m.length, .width = m.width, .dropout = rate};
      const char* suffix = rate > 0 ? ", dropout" : "";
      add(str("residual+norm forward", suffix), residual_norm_forward(seam));
      add(str("residual+norm backward", suffix), residual_norm_backward(seam));
    }
    const EmbeddingSize embedding{.batch = m.batch,
                                  .length = m.length,
                                  .classes = m.classes,
                                  .width = m.width,
                                  .tables = m.tables};
    add("embedding forward", embedding_forward(embedding));
    add("embedding backward", embedding_backward(embedding));
    add("cross-entropy", cross_entropy({rows, m.classes}));
    add("activation forward", activate({rows, m.inner}));
    add("activation backward, bias", activation_backward({rows, m.inner}));
    add("column sums", column_sums(rows, m.width));
  }
  const auto add = [&](const std::string& kernel, const Entry& entry) {
    cases.push_back({kernel, "95M weights", entry});
  };
  const char* rounded = activations == DType::kF16 ? "f16" : "bf16";
  add("adamw", adamw({kWeights}));
  add("adamw, moments in bf16", adamw({.count = kWeights, .bf16_moments = true}));
  add("lion", lion({kWeights}));
  add("squared norm", squared_norm(kWeights));
  add(str("convert f32 to ", rounded), convert(kWeights, Holds::kWide, Holds::kRounded));
  add("accumulate", accumulate(kWeights));
  add("zero", zero(kWeights, Holds::kWide));
  return cases;
}

}  // namespace lacuna::proof
