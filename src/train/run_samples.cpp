#include "run_samples.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/train/sampler.h"

namespace lacuna::train {

void write_sample(const RunFolder& folder, const Options& options, Trainer& trainer,
                  const std::function<bool()>& stop, const Counted& counted) {
  const nn::Transformer& model =
      trainer.model(trainer.has_average() ? Weights::kAverage : Weights::kRaw);
  const bool bytes = model.config().vocabulary == 256;
  const SampleConfig config{.length = options.train.sample_length,
                            .seed = static_cast<uint64_t>(options.train.seed)};
  std::string text;
  bool stopped = false;
  int64_t drawn = 0;
  const auto add = [&](int64_t, int32_t symbol) {
    if (bytes) {
      text += static_cast<char>(symbol);
    } else {
      text += str(text.empty() ? "" : " ", symbol);
    }
    counted(++drawn, config.length);
  };
  // Its memory is held for this sample only.
  sample(trainer.queue(), model, {}, config, {add, [&] { return stopped = stop(); }});
  if (stopped) return;
  std::error_code failure;
  std::filesystem::create_directories(folder.samples(), failure);
  if (failure) {
    throw Error(ErrorKind::kIo, folder.samples(), "cannot make the folder: " + failure.message());
  }
  write_atomic(folder.sample(trainer.steps_done()), text);
}

}  // namespace lacuna::train
