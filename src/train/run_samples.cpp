#include "run_samples.h"

#include <algorithm>
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
  const int64_t count = medium->has_sheet() ? options.train.sample_count : 1;
  const bool free = medium->sample_size() == 0 && options.train.sample_length > 0;
  // No more at once than training has room for.
  const SampleConfig config{.length = free ? options.train.sample_length
                                           : default_length(*medium, model.config().context),
                            .count = count,
                            .batch = std::min(count, options.train.batch),
                            .seed = static_cast<uint64_t>(options.train.seed),
                            .alignment = medium->unit().symbols};
  std::vector<std::vector<int32_t>> samples(static_cast<size_t>(count));
  int64_t drawn = 0;
  bool stopped = false;
  const auto add = [&](int64_t sample, int32_t symbol) {
    samples[static_cast<size_t>(sample)].push_back(symbol);
    counted(++drawn, count * config.length);
  };
  // Its memory is held for these samples only.
  sample(trainer.queue(), model, {}, config, {add, [&] { return stopped = stop(); }});
  if (stopped) return;
  std::error_code failure;
  std::filesystem::create_directories(folder.samples(), failure);
  if (failure) {
    throw Error(ErrorKind::kIo, folder.samples(), "cannot make the folder: " + failure.message());
  }
  write_atomic(folder.sample(trainer.steps_done(), medium->suffix()),
               count > 1 ? medium->sheet(samples) : medium->file(samples.front()));
}

}  // namespace lacuna::train
