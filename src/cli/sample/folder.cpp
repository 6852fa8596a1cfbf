// Samples in a folder: a file each, named by its number, beside one that says how they were drawn.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "lacuna/base/error.h"
#include "lacuna/base/file_lock.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "output.h"

namespace lacuna::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kSettingsName = "samples.json";
constexpr size_t kDigits = 6;

// Files come into place whole, so that one which is there is complete.
class SampleFolder final : public SampleOutput {
 public:
  explicit SampleFolder(const OutputRequest& request)
      : path_(request.path), medium_(request.medium), config_(request.config) {
    while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
    std::error_code failure;
    fs::create_directories(path_, failure);
    if (failure) throw Error(ErrorKind::kIo, path_, "cannot make the folder: " + failure.message());
    lock_.emplace(path_, LockMode::kShared);
    if (goes_on(request.overwrite, request.settings)) return;
    if (exists(settings_file())) lock_->change(LockMode::kExclusive);
    clear();
    write_atomic(settings_file(), request.settings.dump(2) + "\n");
    lock_->change(LockMode::kShared);
  }

  std::vector<Range> missing() const override {
    std::vector<Range> ranges;
    for (int64_t i = 1; i <= config_.count; ++i) {
      const int64_t number = config_.first + i;
      if (exists(file(number))) continue;
      if (ranges.empty() || ranges.back().first + ranges.back().count != number) {
        ranges.push_back({number, 0});
      }
      ++ranges.back().count;
    }
    return ranges;
  }
  void add(int64_t first, const std::vector<std::vector<int32_t>>& samples) override {
    for (const auto& sample : samples) write_atomic(file(first++), medium_.file(sample));
  }
  std::string when_stopped() const override {
    return "the files in " + path_ + " are complete, and the same command goes on with the rest";
  }

 private:
  std::string settings_file() const { return path_ + "/" + kSettingsName; }
  std::string file(int64_t number) const {
    const std::string digits = std::to_string(number);
    return path_ + "/" + std::string(kDigits - std::min(digits.size(), kDigits), '0') + digits +
           medium_.suffix();
  }

  // Files named as samples are.
  std::vector<std::string> samples() const {
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path_, ignored)) {
      const std::string stem = entry.path().stem().string();
      if (entry.path().extension() == medium_.suffix() && stem.size() >= kDigits &&
          stem.find_first_not_of("0123456789") == std::string::npos) {
        found.push_back(entry.path().string());
      }
    }
    return found;
  }

  // Whether the settings of the samples here are the wanted ones. Only what a file of settings says
  // to be samples may be replaced.
  bool goes_on(bool overwrite, const Json& wanted) const {
    if (exists(settings_file())) {
      const Json kept = Json::parse(read_text(settings_file()), nullptr, false);
      if (!kept.is_object() || !kept.contains("weights") || !kept.contains("seed")) {
        throw Error(ErrorKind::kData, settings_file(),
                    "does not say how the samples here were drawn", "Choose another folder");
      }
      return same_settings(path_, kept, wanted, overwrite);
    }
    const std::vector<std::string> others = samples();
    if (others.empty()) return false;
    throw Error(ErrorKind::kUsage, others.front(),
                "stands where a sample would be written, and nothing says how it was drawn",
                "Choose another folder, or move the file away");
  }

  // What says how they were drawn stays to the last: a process that is killed here must not leave
  // samples under other settings.
  void clear() const {
    for (const std::string& file : samples()) {
      std::error_code failure;
      fs::remove(file, failure);
      if (failure) throw Error(ErrorKind::kIo, file, "cannot remove: " + failure.message());
    }
  }

  std::string path_;
  const Medium& medium_;
  const train::SampleConfig& config_;
  std::optional<FileLock> lock_;  // shared: others may add other samples of the same settings
};

}  // namespace

std::unique_ptr<SampleOutput> sample_folder(const OutputRequest& request) {
  return std::make_unique<SampleFolder>(request);
}

}  // namespace lacuna::cli
