#include "run_samples.h"

#include <cstring>
#include <string>

namespace lacuna::train {

namespace {

using Samples = std::vector<std::vector<int32_t>>;

// The share of one rank as bytes: samples of one length.
std::string bytes_of(const Samples& samples) {
  std::string bytes;
  for (const std::vector<int32_t>& symbols : samples) {
    bytes.append(reinterpret_cast<const char*>(symbols.data()), symbols.size() * sizeof(int32_t));
  }
  return bytes;
}

void add_from(const std::string& bytes, size_t length, Samples& samples) {
  const size_t size = length * sizeof(int32_t);
  for (size_t at = 0; at + size <= bytes.size(); at += size) {
    samples.emplace_back(length);
    std::memcpy(samples.back().data(), bytes.data() + at, size);
  }
}

// What each rank says, in pieces that a message can hold.
std::vector<std::string> exchange_in_pieces(Group& group, const std::string& own) {
  constexpr size_t kPiece = size_t{4} << 20;
  std::vector<std::string> all(static_cast<size_t>(group.size()));
  for (size_t at = 0; group.any("whether samples go on", at < own.size()); at += kPiece) {
    const std::string piece = at < own.size() ? own.substr(at, kPiece) : "";
    const std::vector<std::string> pieces = group.exchange("samples", piece);
    for (size_t rank = 0; rank < all.size(); ++rank) all[rank] += pieces[rank];
  }
  return all;
}

}  // namespace

std::optional<Samples> draw_samples(Trainer& trainer, int64_t length,
                                    const std::function<bool()>& stop, const Counted& counted) {
  Samples own;
  bool stopped = false;
  trainer.gather_averages();
  if (trainer.has_sampler()) {
    Sampler& sampler = trainer.sampler();
    const SampleConfig& config = sampler.config();
    own.resize(static_cast<size_t>(config.count));
    int64_t drawn = 0;
    const auto add = [&](int64_t sample, int32_t symbol) {
      own[static_cast<size_t>(sample - config.first)].push_back(symbol);
      counted(++drawn, config.count * config.length);
    };
    sampler.draw({}, {add, [&] { return stopped = stop(); }});
  }
  Group& group = trainer.group();
  if (group.any("whether drawing was stopped", stopped)) return std::nullopt;
  if (group.world().alone()) return own;
  Samples samples;
  for (const std::string& share : exchange_in_pieces(group, bytes_of(own))) {
    add_from(share, static_cast<size_t>(length), samples);
  }
  return samples;
}

}  // namespace lacuna::train
