// The folder of a run: config.toml (resolved), metrics.jsonl, log.txt, weights.safetensors and,
// with weight averaging, average.safetensors.
#pragma once

#include <string>

#include "lacuna/train/options.h"

namespace lacuna::train {

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  /// Throws Error(kUsage) when there is a run in the folder already, unless `overwrite`.
  void check_free(bool overwrite) const;
  /// Makes the folder, removes the files of an older run in it and writes config.toml. Throws
  /// Error(kIo).
  void create(const Options& resolved) const;

  const std::string& path() const { return path_; }
  std::string config() const { return path_ + "/config.toml"; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string log() const { return path_ + "/log.txt"; }
  std::string weights() const { return path_ + "/weights.safetensors"; }
  std::string average() const { return path_ + "/average.safetensors"; }

 private:
  std::string path_;
};

}  // namespace lacuna::train
