#include "run_samples.h"

namespace lacuna::train {

std::optional<std::vector<std::vector<int32_t>>> draw_samples(Trainer& trainer,
                                                              const std::function<bool()>& stop,
                                                              const Counted& counted) {
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
  if (stopped) return std::nullopt;
  return samples;
}

}  // namespace lacuna::train
