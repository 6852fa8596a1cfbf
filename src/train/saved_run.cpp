#include "lacuna/train/saved_run.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/io/safetensors.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/weights.h"

namespace lacuna::train {

SavedRun::SavedRun(const std::string& folder, bool raw, const std::vector<Override>& overrides)
    : options_(read_options(RunFolder(folder).config(), overrides)),
      queue_(Queue::cpu(threads(options_))) {
  const RunFolder run(folder);
  weights_file_ = !raw && std::filesystem::exists(run.average()) ? run.average() : run.weights();
  // The vocabulary is not an option: the token table has a row for every symbol.
  const int64_t vocabulary = SafetensorsFile(weights_file_).find("embedding.token").shape.at(0);
  const nn::ModelConfig config = model_config(options_, vocabulary);
  parameters_ =
      std::make_unique<nn::ParameterStore>(parameter_specs(config), precision(options_), false);
  load_weights(queue_, weights_file_, *parameters_);
  model_ = std::make_unique<nn::Transformer>(config, *parameters_);
}

}  // namespace lacuna::train
