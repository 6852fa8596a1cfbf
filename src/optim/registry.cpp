#include "lacuna/base/names.h"
#include "lacuna/optim/optimizer.h"

namespace lacuna::optim {

using Maker = std::unique_ptr<Optimizer>(Queue&, const OptimizerConfig&, const nn::ParameterStore&);

#define LACUNA_OPTIMIZER(id, description) Maker make_##id;
#include "optimizers.def"
#undef LACUNA_OPTIMIZER

std::vector<OptimizerEntry> known_optimizers() {
  return {
#define LACUNA_OPTIMIZER(id, description) {#id, description},
#include "optimizers.def"
#undef LACUNA_OPTIMIZER
  };
}

std::unique_ptr<Optimizer> make_optimizer(Queue& queue, const OptimizerConfig& config,
                                          const nn::ParameterStore& parameters) {
#define LACUNA_OPTIMIZER(id, description) \
  if (config.name == #id) return make_##id(queue, config, parameters);
#include "optimizers.def"
#undef LACUNA_OPTIMIZER
  std::vector<std::string> names;
  for (const OptimizerEntry& entry : known_optimizers()) names.emplace_back(entry.name);
  throw unknown_name(ErrorKind::kConfig, "optim.name", "optimizer", config.name, names);
}

}  // namespace lacuna::optim
