#include "run_samples.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"

namespace lacuna::train {

void write_sample(const RunFolder& folder, const Medium& medium, Trainer& trainer,
                  const std::function<bool()>& stop, const Counted& counted) {
  Sampler& sampler = trainer.sampler();
  const int64_t count = sampler.config().count;
  std::vector<std::vector<int32_t>> samples(static_cast<size_t>(count));
  int64_t drawn = 0;
  bool stopped = false;
  const auto add = [&](int64_t sample, int32_t symbol) {
    samples[static_cast<size_t>(sample)].push_back(symbol);
    counted(++drawn, count * sampler.config().length);
  };
  sampler.draw({}, {add, [&] { return stopped = stop(); }});
  if (stopped) return;
  std::error_code failure;
  std::filesystem::create_directories(folder.samples(), failure);
  if (failure) {
    throw Error(ErrorKind::kIo, folder.samples(), "cannot make the folder: " + failure.message());
  }
  write_atomic(folder.sample(trainer.steps_done(), medium.suffix()),
               count > 1 ? medium.sheet(samples) : medium.file(samples.front()));
}

}  // namespace lacuna::train
