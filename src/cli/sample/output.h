// Where the samples of `lacuna sample --output` go.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "request.h"

namespace lacuna::cli {

/// Samples by their numbers, which begin at 1.
class SampleOutput {
 public:
  struct Range {
    int64_t first, count;
  };

  virtual ~SampleOutput() = default;

  /// Which of those that were asked for are still to be drawn, ascending.
  virtual std::vector<Range> missing() const = 0;
  /// Takes whole samples of following numbers, prompt included; all that are missing come in their
  /// order. Throws Error(kIo).
  virtual void add(int64_t first, const std::vector<std::vector<int32_t>>& samples) = 0;
  /// All of them are there. Throws Error(kIo).
  virtual void finish() {}
  /// What becomes of what was added when the rest does not come: a sentence without full stop.
  virtual std::string when_stopped() const = 0;
};

/// What every kind of output is made of.
struct OutputRequest {
  std::string path;
  bool overwrite = false;
  const Medium& medium;
  const train::SampleConfig& config;
  const nlohmann::json& settings;  // of all samples, as settings_of() has them
};

/// The kinds of output that there are.
enum class OutputKind : uint8_t { kFile, kFolder, kArray };

/// By the suffix of the path: a folder where it has none, ends in '/' or is one already. Throws
/// Error(kUsage) for one that does not fit the medium or the number of samples, and for a place
/// that is not there.
OutputKind kind_of_output(const std::string& path, const Medium& medium, int64_t count);

/// Nothing is drawn for an output that cannot be written: throws Error(kUsage) when the place holds
/// samples of other settings, Error(kIo) when nothing can be written there.
std::unique_ptr<SampleOutput> open_output(OutputKind kind, const OutputRequest& request);

std::unique_ptr<SampleOutput> sample_file(const OutputRequest& request);
std::unique_ptr<SampleOutput> sample_folder(const OutputRequest& request);
std::unique_ptr<SampleOutput> sample_array(const OutputRequest& request);

/// Whether both are equal, so that what is there stays; `place` holds samples with the `kept` ones.
/// Where they differ and must not be replaced, throws Error(kUsage), naming the first difference.
bool same_settings(const std::string& place, const nlohmann::json& kept,
                   const nlohmann::json& wanted, bool overwrite);

/// The line before each of several texts.
std::string sheet_title(int64_t number, const train::SampleConfig& config);

}  // namespace lacuna::cli
