// What ops took on this machine, kept in a file so that the next start need not measure again:
// $XDG_CACHE_HOME/lacuna/seconds.json, or ~/.cache/lacuna. What cannot be read or written is as if
// it were not there.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace lacuna::train {

class SecondsCache {
 public:
  /// `machine` names what the ops run on. Only what this very binary has measured is given back.
  explicit SecondsCache(std::string machine);
  /// Writes the file when anything is new.
  ~SecondsCache();
  SecondsCache(const SecondsCache&) = delete;
  SecondsCache& operator=(const SecondsCache&) = delete;

  std::optional<double> find(const std::string& op) const;
  void add(const std::string& op, double seconds);

 private:
  void save() const;

  std::string path_;  // empty: there is no place for it
  std::string machine_, binary_;
  std::map<std::string, double> seconds_;
  bool changed_ = false;
};

/// The file; empty where the environment names no place.
std::string seconds_cache_path();

}  // namespace lacuna::train
