// The JSON files of a checkpoint: manifest.json and state.json.
#pragma once

#include <string>
#include <vector>

#include "lacuna/train/checkpoint.h"

namespace lacuna::train {

/// Writes manifest.json for the named files of a folder; throws Error(kIo).
void write_manifest(const std::string& folder, const std::vector<std::string>& files);

std::string state_text(const TrainingState& state);

}  // namespace lacuna::train
