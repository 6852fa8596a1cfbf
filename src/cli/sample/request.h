// What `lacuna sample` is asked for, as the medium of the run understands it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lacuna/cli/command.h"
#include "lacuna/train/sampler.h"
#include "lacuna/train/saved_run.h"

namespace lacuna::cli {

struct SampleRequest {
  std::string text;             // the prompt as it is printed
  std::vector<int32_t> prompt;  // its symbols, or those that stay of the file to complete
  train::SampleConfig config;
};

/// Whether samples can be printed rather than written as files only.
inline bool is_printed(const Medium& medium) {
  return medium.suffix() == ".txt";
}

/// What needs no run; its length is not known yet. Throws Error(kUsage) for flags that mean
/// nothing, alone or together.
train::SampleConfig sample_config(const Parsed& parsed);

/// All of it, for a model of `context` positions. Throws Error(kUsage) for flags that do not fit
/// the medium, and Error(kData) for a prompt or a file that cannot be read.
SampleRequest sample_request(const Parsed& parsed, const train::SampleConfig& config,
                             const Medium& medium, int64_t context);

/// Everything that a sample depends on but its number, so that samples of two calls fit together
/// where it is equal. Reads the file of weights; throws what `between_pieces` throws.
nlohmann::json settings_of(const SampleRequest& request, const Parsed& parsed,
                           const train::SavedRun& run, const BetweenPieces& between_pieces);

}  // namespace lacuna::cli
