#include "lacuna/train/saved_run.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/io/safetensors.h"
#include "lacuna/train/checkpoint.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/weights.h"

namespace lacuna::train {

std::string weights_in(const std::string& folder, bool raw) {
  const RunFolder run(folder);
  std::error_code ignored;
  if (std::filesystem::exists(folder + "/state.json", ignored)) verify_checkpoint(folder);
  return !raw && std::filesystem::exists(run.average(), ignored) ? run.average() : run.weights();
}

SavedRun::SavedRun(const std::string& folder, bool raw, const std::vector<Override>& overrides)
    : options_(read_options(RunFolder(folder).config(), overrides)),
      queue_(Queue::cpu(threads(options_))) {
  weights_file_ = weights_in(folder, raw);
  // The vocabulary is not an option: the token table has a row for every symbol.
  const SafetensorsFile file(weights_file_);
  const TensorRecord& table = file.find("embedding.token");
  if (table.shape.size() != 2 || table.shape[0] < 1) {
    throw Error(ErrorKind::kData, weights_file_, "'embedding.token' is no table of symbols",
                "The weights are of another model than the configuration");
  }
  const int64_t vocabulary = table.shape[0];
  const nn::ModelConfig config = model_config(options_, vocabulary);
  parameters_ =
      std::make_unique<nn::ParameterStore>(parameter_specs(config), precision(options_), false);
  load_weights(queue_, weights_file_, *parameters_);
  model_ = std::make_unique<nn::Transformer>(config, *parameters_);
}

}  // namespace lacuna::train
