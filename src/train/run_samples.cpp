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
  const std::unique_ptr<Medium> medium = medium_of(options);
  const int64_t length =
      medium->sample_size() > 0 ? medium->sample_size() : options.train.sample_length;
  const SampleConfig config{.length = length, .seed = static_cast<uint64_t>(options.train.seed)};
  std::vector<int32_t> symbols;
  bool stopped = false;
  const auto add = [&](int64_t, int32_t symbol) {
    symbols.push_back(symbol);
    counted(static_cast<int64_t>(symbols.size()), config.length);
  };
  // Its memory is held for this sample only.
  sample(trainer.queue(), model, {}, config, {add, [&] { return stopped = stop(); }});
  if (stopped) return;
  std::error_code failure;
  std::filesystem::create_directories(folder.samples(), failure);
  if (failure) {
    throw Error(ErrorKind::kIo, folder.samples(), "cannot make the folder: " + failure.message());
  }
  write_atomic(folder.sample(trainer.steps_done(), medium->suffix()), medium->file(symbols));
}

}  // namespace lacuna::train
