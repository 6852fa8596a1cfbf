// The folder of a run: config.toml (resolved), metrics.jsonl, log.txt, checkpoints/ and, at the
// end, weights.safetensors and (with weight averaging) average.safetensors.
#pragma once

#include <string>

#include "lacuna/train/options.h"

namespace lacuna::train {

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  /// Throws Error(kUsage) when the folder holds files of a run, unless `overwrite`.
  void check_free(bool overwrite) const;
  /// Whether a run was started here.
  bool has_run() const;
  /// Makes the folder itself. Throws Error(kIo).
  void make() const;
  /// Removes the files of an older run and writes config.toml. Throws Error(kIo).
  void begin(const Options& resolved) const;
  /// For a run that goes on after `step`: removes final weights, cuts the metrics back and writes
  /// config.toml. Throws Error(kIo) and Error(kData).
  void continue_after(int64_t step, const Options& resolved) const;

  const std::string& path() const { return path_; }
  std::string config() const { return path_ + "/config.toml"; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string log() const { return path_ + "/log.txt"; }
  std::string weights() const { return path_ + "/weights.safetensors"; }
  std::string checkpoints() const { return path_ + "/checkpoints"; }
  std::string average() const { return path_ + "/average.safetensors"; }

 private:
  void remove(const std::string& file) const;

  std::string path_;
};

}  // namespace lacuna::train
