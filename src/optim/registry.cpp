#include "lacuna/base/names.h"
#include "lacuna/optim/optimizer.h"

namespace lacuna::optim {

#define LACUNA_OPTIMIZER(id, moments, usual, description) OptimizerMaker make_##id;
#include "optimizers.def"
#undef LACUNA_OPTIMIZER

namespace {

constexpr UsualValues usual_values(double learning_rate, double beta1, double beta2,
                                   double weight_decay) {
  return {learning_rate, beta1, beta2, weight_decay};
}

}  // namespace

std::vector<OptimizerEntry> known_optimizers() {
  return {
#define LACUNA_OPTIMIZER(id, moments, usual, description) \
  {#id, moments, usual_values usual, description, make_##id},
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

FlatRange range_of(const nn::ParameterStore& parameters, const View& averages, int64_t begin,
                   int64_t count) {
  require(begin % kDecayGroup == 0, "range_of", "a range begins within a group of weight decay");
  const auto part = [&](const View& flat) {
    return flat.present() ? flat.slice(0, begin, count) : View();
  };
  return {.weight = part(parameters.values()),
          .gradient = part(parameters.gradients()),
          .average = part(averages),
          .rounded = part(parameters.rounded()),
          .begin = begin};
}

std::unique_ptr<Optimizer> make_optimizer(Queue& queue, const OptimizerConfig& config,
                                          const nn::ParameterStore& parameters,
                                          const FlatPart& part) {
  return find_optimizer(config.name).make(queue, config, parameters, part);
}

}  // namespace lacuna::optim
