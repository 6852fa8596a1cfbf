// The folder of a run: config.toml (resolved), starts.jsonl, metrics.jsonl, a TensorBoard event
// file, log.txt, checkpoints/, samples/ (when the run draws some) and, at the end,
// weights.safetensors and (with weight averaging) average.safetensors.
#pragma once

#include <string>
#include <vector>

#include "lacuna/train/options.h"

namespace lacuna::train {

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  /// Throws Error(kUsage) when the folder holds files of a run, unless `overwrite`.
  void check_free(bool overwrite) const;
  /// Whether a run was started here.
  bool has_run() const;
  /// Whether another process is at work here: for a moment this one shares the lock, if it can.
  bool is_in_use() const;
  /// Makes the folder itself. Throws Error(kIo).
  void make() const;
  /// Removes the files of an older run and writes config.toml. Throws Error(kIo).
  void begin(const Options& resolved) const;
  /// For a run that goes on after `step`: removes final weights and later samples, empties event
  /// files, cuts the metrics, the starts and the log back and writes config.toml. Throws Error(kIo)
  /// and Error(kData).
  void continue_after(int64_t step, const Options& resolved) const;

  const std::string& path() const { return path_; }
  std::string config() const { return path_ + "/config.toml"; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string starts() const { return path_ + "/starts.jsonl"; }
  std::string samples() const { return path_ + "/samples"; }
  std::string sample(int64_t step) const;
  std::string log() const { return path_ + "/log.txt"; }
  std::string weights() const { return path_ + "/weights.safetensors"; }
  std::string checkpoints() const { return path_ + "/checkpoints"; }
  std::string average() const { return path_ + "/average.safetensors"; }
  /// A name that TensorBoard and we recognise, later in the alphabet than all before it.
  std::string new_event_file() const;

  /// What the log says when the checkpoint of `step` is taken; continue_after() cuts behind it.
  static std::string log_mark(int64_t step);

 private:
  /// Event files that lacuna has written here.
  std::vector<std::string> event_files() const;
  /// A TensorBoard that watches the folder goes on to a newer file from an empty one, but not from
  /// one that is gone. Those that are empty already have been left by now and are removed.
  void empty_event_files() const;
  void cut_log(int64_t step) const;
  void cut_samples(int64_t step) const;
  void remove(const std::string& file) const;

  std::string path_;
};

}  // namespace lacuna::train
