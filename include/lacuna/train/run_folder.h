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

  /// Whether lacuna has begun a run here; files of a run's names alone do not say so.
  bool has_run() const;
  /// Whether there is a config.toml, whoever wrote it.
  bool has_config() const;
  /// Throws Error(kUsage), naming it, when something stands where a new run would write: the
  /// files of a run, unless `overwrite`, and whatever else has their names in any case.
  void check_free(bool overwrite) const;
  /// Throws Error(kUsage) when a file of a run here, which may be removed, is one of `sources`.
  void check_holds_none_of(const std::vector<std::string>& sources) const;
  /// Whether another process is at work here: for a moment this one shares the lock, if it can.
  bool is_in_use() const;
  /// Makes the folder itself; whether it was not there. Throws Error(kIo).
  bool make() const;
  /// Takes that back where nothing but the lock has been written.
  void unmake() const;
  /// Writes config.toml and an empty starts.jsonl, by which a run is recognised, and removes the
  /// files of an older run and nothing else. Throws Error(kIo).
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
  std::string sample(int64_t step, const std::string& suffix) const;
  std::string log() const { return path_ + "/log.txt"; }
  std::string weights() const { return path_ + "/weights.safetensors"; }
  std::string checkpoints() const { return path_ + "/checkpoints"; }
  std::string average() const { return path_ + "/average.safetensors"; }
  /// What a run has made here or would: files, and folders that are a run's alone.
  std::vector<std::string> files() const;
  std::string lock() const { return path_ + "/lock"; }
  /// A name that TensorBoard and we recognise, later in the alphabet than all before it.
  std::string new_event_file() const;

  /// What the log says when the checkpoint of `step` is taken; continue_after() cuts behind it.
  static std::string log_mark(int64_t step);

 private:
  /// Event files that lacuna has written here.
  std::vector<std::string> event_files() const;
  /// Samples that lacuna has written after `step`.
  std::vector<std::string> samples_after(int64_t step) const;
  /// A TensorBoard that watches the folder goes on to a newer file from an empty one, but not from
  /// one that is gone. Those that are empty already have been left by now and are removed.
  void empty_event_files() const;
  void cut_log(int64_t step) const;
  void remove(const std::string& file) const;

  std::string path_;
};

}  // namespace lacuna::train
