// The JSON files of a checkpoint: manifest.json and state.json.
#pragma once

#include <string>
#include <vector>

#include "lacuna/train/checkpoint.h"

namespace lacuna::train {

inline constexpr const char* kManifestName = "manifest.json";

struct ManifestEntry {
  std::string name;  // of a file in the checkpoint's own folder
  uint64_t bytes = 0;
  std::string xxh3;  // 16 hex digits
};

struct Manifest {
  std::vector<ManifestEntry> files;
  std::optional<CheckpointFacts> facts;  // not in version 1
};

/// The text of a manifest.json, called `path` in messages. Throws Error(kData) unless it is whole
/// and names all files that every checkpoint has, Error(kConfig) where it is of a newer version or
/// requires a file that only a newer lacuna knows.
Manifest parse_manifest(const std::string& text, const std::string& path);
/// The text of a state.json; throws like parse_manifest().
TrainingState parse_state(const std::string& text, const std::string& path);

/// Writes manifest.json for the named files of a folder; throws Error(kIo).
void write_manifest(const std::string& folder, const std::vector<std::string>& files,
                    const CheckpointFacts& facts, const BetweenPieces& between_pieces);

std::string state_text(const TrainingState& state);

}  // namespace lacuna::train
