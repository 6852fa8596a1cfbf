#include "lacuna/base/names.h"
#include "lacuna/optim/optimizer.h"

namespace lacuna::optim {

#define LACUNA_OPTIMIZER(id, moments, description) OptimizerMaker make_##id;
#include "optimizers.def"
#undef LACUNA_OPTIMIZER

std::vector<OptimizerEntry> known_optimizers() {
  return {
#define LACUNA_OPTIMIZER(id, moments, description) {#id, moments, description, make_##id},
#include "optimizers.def"
#undef LACUNA_OPTIMIZER
  };
}

OptimizerEntry find_optimizer(const std::string& name) {
  std::vector<std::string> names;
  for (const OptimizerEntry& entry : known_optimizers()) {
    if (name == entry.name) return entry;
    names.emplace_back(entry.name);
  }
  throw unknown_name(ErrorKind::kConfig, "optim.name", "optimizer", name, names);
}

std::unique_ptr<Optimizer> make_optimizer(Queue& queue, const OptimizerConfig& config,
                                          const nn::ParameterStore& parameters) {
  return find_optimizer(config.name).make(queue, config, parameters);
}

}  // namespace lacuna::optim
