// Samples in a folder: a file each, named by its number, beside one that says how they were drawn.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lacuna/base/error.h"
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
    check(request.overwrite, request.settings);
    std::error_code failure;
    fs::create_directories(path_, failure);
    if (failure) throw Error(ErrorKind::kIo, path_, "cannot make the folder: " + failure.message());
    if (request.overwrite) clear();
    const std::string settings = path_ + "/" + kSettingsName;
    if (!exists(settings)) write_atomic(settings, request.settings.dump(2) + "\n");
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
  static bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
  }

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

  void check(bool overwrite, const Json& wanted) const {
    if (overwrite) return;
    const std::string settings = path_ + "/" + kSettingsName;
    if (exists(settings)) {
      const Json kept = Json::parse(read_text(settings), nullptr, false);
      if (!kept.is_object()) {
        throw Error(ErrorKind::kData, settings, "does not say how the samples here were drawn",
                    "Choose another folder, or replace them with --overwrite");
      }
      return check_same_settings(path_, kept, wanted);
    }
    const std::vector<std::string> others = samples();
    if (others.empty()) return;
    throw Error(ErrorKind::kUsage, others.front(),
                "stands where a sample would be written, and nothing says how it was drawn",
                "Choose another folder, or replace it with --overwrite");
  }

  // First what says how they were drawn: a process that is killed here must not leave samples under
  // other settings.
  void clear() const {
    std::vector<std::string> files = samples();
    files.insert(files.begin(), path_ + "/" + kSettingsName);
    for (const std::string& file : files) {
      std::error_code failure;
      fs::remove(file, failure);
      if (failure) throw Error(ErrorKind::kIo, file, "cannot remove: " + failure.message());
    }
  }

  std::string path_;
  const Medium& medium_;
  const train::SampleConfig& config_;
};

}  // namespace

std::unique_ptr<SampleOutput> sample_folder(const OutputRequest& request) {
  return std::make_unique<SampleFolder>(request);
}

}  // namespace lacuna::cli
