#include "output.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "../output_place.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"

namespace lacuna::cli {
namespace {

namespace fs = std::filesystem;

std::string fitting(const Medium& medium) {
  std::string text = "Its samples are written as " + medium.suffix();
  if (medium.sample_size() > 0) text += ", as .npz";
  return text + " or into a folder, with a '/' at the end";
}

// One file with all samples: a picture or a grid of them, a sound, texts one below the other.
class OneFile final : public SampleOutput {
 public:
  explicit OneFile(const OutputRequest& request)
      : path_(request.path), medium_(request.medium), config_(request.config) {}

  std::vector<Range> missing() const override { return {{config_.first + 1, config_.count}}; }
  void add(int64_t, const std::vector<std::vector<int32_t>>& samples) override {
    samples_.insert(samples_.end(), samples.begin(), samples.end());
  }
  void finish() override { write_atomic(path_, content()); }
  std::string when_stopped() const override {
    return "nothing was written to " + path_ + ", which has all samples or none";
  }

 private:
  std::string content() const {
    if (!is_printed(medium_)) {
      return samples_.size() == 1 ? medium_.file(samples_.front()) : medium_.sheet(samples_);
    }
    std::string text;
    for (size_t i = 0; i < samples_.size(); ++i) {
      const int64_t number = config_.first + static_cast<int64_t>(i) + 1;
      if (samples_.size() > 1) text += sheet_title(number, config_);
      text += medium_.file(samples_[i]) + "\n";
    }
    return text;
  }

  std::string path_;
  const Medium& medium_;
  const train::SampleConfig& config_;
  std::vector<std::vector<int32_t>> samples_;
};

}  // namespace

std::unique_ptr<SampleOutput> sample_file(const OutputRequest& request) {
  return std::make_unique<OneFile>(request);
}

OutputKind kind_of_output(const std::string& path, const Medium& medium, int64_t count) {
  std::error_code ignored;
  if (path.ends_with('/') || fs::is_directory(path, ignored)) return OutputKind::kFolder;
  check_parent(path);
  const std::string suffix = fs::path(path).extension().string();
  if (suffix.empty()) {
    if (fs::path(path).filename().string().starts_with('.')) {
      throw Error(ErrorKind::kUsage, path, "begins with a dot and has no suffix",
                  str("Put a name before it, such as sample", medium.suffix(),
                      ", or a '/' behind it if a hidden folder is meant"));
    }
    if (!fs::exists(path, ignored)) return OutputKind::kFolder;
    throw Error(ErrorKind::kUsage, path, "is no folder", fitting(medium));
  }
  if (suffix == ".npz" && medium.sample_size() > 0) return OutputKind::kArray;
  if (suffix != medium.suffix()) {
    throw Error(ErrorKind::kUsage, path, str("samples of this run cannot be written as ", suffix),
                fitting(medium));
  }
  const bool together = is_printed(medium) || medium.has_sheet();
  if (count > 1 && !together) {
    throw Error(ErrorKind::kUsage, path,
                str("one ", suffix, " file cannot hold ", count, " samples"),
                "Give a folder, with a '/' at the end, for a file each");
  }
  return OutputKind::kFile;
}

std::unique_ptr<SampleOutput> open_output(OutputKind kind, const OutputRequest& request) {
  switch (kind) {
    case OutputKind::kFile:
      return sample_file(request);
    case OutputKind::kFolder:
      return sample_folder(request);
    case OutputKind::kArray:
      return sample_array(request);
  }
  return nullptr;
}

bool same_settings(const std::string& place, const nlohmann::json& kept,
                   const nlohmann::json& wanted, bool overwrite) {
  nlohmann::json names = kept;
  names.update(wanted);
  for (const auto& [name, value] : names.items()) {
    const std::string had = kept.contains(name) ? kept[name].dump() : "none";
    const std::string has = wanted.contains(name) ? wanted[name].dump() : "none";
    if (had == has) continue;
    if (overwrite) return false;
    throw Error(
        ErrorKind::kUsage, place,
        str("holds samples of other settings: '", name, "' is ", had, " there and ", has, " here"),
        "Choose another place, or replace them with --overwrite");
  }
  return true;
}

std::string sheet_title(int64_t number, const train::SampleConfig& config) {
  return str("--- sample ", number, " of ", config.first + config.count, ", seed ", config.seed,
             "\n");
}

}  // namespace lacuna::cli
