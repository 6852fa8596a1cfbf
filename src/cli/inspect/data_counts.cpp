#include <algorithm>
#include <cmath>

#include "data.h"
#include "lacuna/data/evaluation_windows.h"
#include "lacuna/io/sound.h"

namespace lacuna::cli {

SymbolCounts::SymbolCounts(int64_t vocabulary, int64_t symbols_per_unit)
    : vocabulary_(static_cast<size_t>(vocabulary)), places_(static_cast<size_t>(symbols_per_unit)) {
  for (Place& place : places_) {
    size_t size = 1;
    for (auto& counts : place.counts) counts.resize(size *= vocabulary_);
  }
}

void SymbolCounts::add(const std::vector<int32_t>& symbols) {
  size_t pair = 0, triple = 0;  // that end with the symbol
  for (size_t i = 0; i < symbols.size(); ++i) {
    const auto symbol = static_cast<size_t>(symbols[i]);
    triple = pair * vocabulary_ + symbol;
    pair = triple % (vocabulary_ * vocabulary_);
    Place& place = places_[i % places_.size()];
    ++place.counts[0][symbol];
    if (i >= 1) ++place.counts[1][pair];
    if (i >= 2) ++place.counts[2][triple];
  }
}

int64_t SymbolCounts::symbols() const {
  double all = 0;
  for (const Place& place : places_) all += sum(place, 0).symbols;
  return static_cast<int64_t>(all);
}

std::vector<int64_t> SymbolCounts::first_of_unit() const {
  return {places_.front().counts[0].begin(), places_.front().counts[0].end()};
}

// With c of a symbol after its context, and n of the context: -sum c log2 (c / n).
SymbolCounts::Sum SymbolCounts::sum(const Place& place, int order) const {
  Sum found;
  const std::vector<uint32_t>& counts = place.counts[order];
  for (size_t context = 0; context < counts.size(); context += vocabulary_) {
    double of_context = 0, bits = 0;
    for (size_t i = context; i < context + vocabulary_; ++i) {
      if (counts[i] == 0) continue;
      const double count = counts[i];
      of_context += count;
      bits -= count * std::log2(count);
    }
    if (of_context == 0) continue;
    found.bits += bits + of_context * std::log2(of_context);
    found.symbols += of_context;
    ++found.contexts;
  }
  return found;
}

SymbolCounts::Entropy SymbolCounts::entropy(int order) const {
  Entropy entropy;
  double symbols = 0, contexts = 0;
  for (const Place& place : places_) {
    const Sum found = sum(place, order);
    if (found.symbols > 0) entropy.bits += found.bits / found.symbols;
    symbols += found.symbols;
    contexts += found.contexts;
  }
  if (contexts > 0) entropy.times = symbols / contexts;
  return entropy;
}

SymbolCounts count_symbols(const Part& part, const Medium& medium, const Stop& stop) {
  constexpr int64_t kMost = int64_t{32} << 20, kWindow = 1 << 16;  // symbols
  const int64_t window = medium.sample_size() > 0 ? medium.sample_size() : kWindow;
  SymbolCounts counts(medium.vocabulary(), medium.unit().symbols);
  const auto windows =
      spread_windows(evaluation_windows(part, medium.grid(), window, 0), kMost / window, 0);
  std::vector<int32_t> symbols;
  for (const EvaluationWindow& one : windows) {
    leave_if(stop);
    symbols.resize(static_cast<size_t>(one.length));
    part.read(one.begin, one.length, symbols.data());
    counts.add(symbols);
  }
  return counts;
}

SoundShares sound_shares(const Part& part, const Medium& medium, const Stop& stop) {
  constexpr int64_t kAtOnce = 1 << 20;          // symbols
  constexpr float kLoudest = 32767.0F / 32768;  // what 16 bits have
  SoundShares shares;
  std::vector<int32_t> symbols;
  std::vector<float> samples(kAtOnce);
  for (int64_t begin = 0; begin < part.size(); begin += kAtOnce) {
    leave_if(stop);
    symbols.resize(static_cast<size_t>(std::min(kAtOnce, part.size() - begin)));
    part.read(begin, static_cast<int64_t>(symbols.size()), symbols.data());
    const std::string file = medium.file(symbols);
    SoundReader reader("the samples", file);
    shares.rate = static_cast<double>(reader.rate());
    const size_t count = reader.read(samples);
    shares.samples += static_cast<int64_t>(count);
    for (const float sample : std::span(samples).first(count)) {
      if (std::abs(sample) < SoundShares::kSilence) ++shares.silent;
      if (std::abs(sample) >= kLoudest) ++shares.clipped;
    }
  }
  return shares;
}

}  // namespace lacuna::cli
