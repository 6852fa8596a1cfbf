#include "run_summary.h"

#include "lacuna/base/text.h"
#include "lacuna/kernels/launch.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::train {

std::vector<std::string> run_summary(const Dataset& data, Trainer& trainer,
                                     const std::string& folder) {
  const nn::ModelConfig& model = trainer.model().config();
  const int64_t parameters = nn::parameter_count(nn::parameter_specs(model));
  return {str("data    ", data.describe()),
          str("model   ", grouped(parameters), " parameters, ", model.layers, " layers, width ",
              model.width, ", ", model.heads, " heads, context ", model.context, ", attention ",
              join(model.attention, ", ")),
          str("run     ", folder, ": ", grouped(trainer.steps_total()), " steps of ",
              grouped(trainer.step_size().tokens), " tokens on ", device_text(trainer.queue()),
              " in ", name_of(trainer.model().dtype())),
          "memory  " + memory_text(trainer.memory())};
}

}  // namespace lacuna::train
