// Samples as one array of bytes, N x the shape of a sample, for programs: an .npz. What has come so
// far lies beside it, in a file that begins with a line of settings.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "lacuna/base/error.h"
#include "lacuna/base/file_lock.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/npz.h"
#include "output.h"

namespace lacuna::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class SampleArray final : public SampleOutput {
 public:
  explicit SampleArray(const OutputRequest& request)
      : path_(request.path),
        part_(request.path + ".part"),
        lock_(part_, LockMode::kExclusive),
        medium_(request.medium),
        config_(request.config) {
    std::error_code failure;
    const bool empty = fs::file_size(part_, failure) == 0;
    if (!request.overwrite && fs::exists(path_, failure)) {
      if (empty) fs::remove(part_, failure);  // made by the lock
      throw Error(ErrorKind::kUsage, path_, "is there already",
                  "Choose another name, or replace it with --overwrite");
    }
    Json settings = request.settings;
    settings["first"] = config_.first + 1;
    settings["shape"] = medium_.shape();
    const bool goes_on = !empty && go_on(settings, request.overwrite);
    if (!goes_on) cut(0);
    file_.emplace(part_);
    if (goes_on) return;
    const std::string line = settings.dump() + "\n";
    file_->append(line);
    begin_ = static_cast<int64_t>(line.size());
  }

  std::vector<Range> missing() const override {
    if (there_ >= config_.count) return {};
    return {{config_.first + 1 + there_, config_.count - there_}};
  }
  void add(int64_t, const std::vector<std::vector<int32_t>>& samples) override {
    std::string bytes;
    for (const auto& sample : samples) {
      for (const int32_t symbol : sample) bytes += static_cast<char>(symbol);
    }
    file_->append(bytes);
    there_ += std::ssize(samples);
  }
  void finish() override {
    std::vector<int64_t> shape = medium_.shape();
    shape.insert(shape.begin(), config_.count);
    const FileReader part(part_);
    NpzWriter archive(path_, shape);
    const int64_t size = config_.count * medium_.sample_size();
    std::vector<uint8_t> piece(kPiece);
    for (int64_t done = 0; done < size; done += std::ssize(piece)) {
      piece.resize(std::min(kPiece, static_cast<size_t>(size - done)));
      part.read(static_cast<size_t>(begin_ + done), piece.size(),
                reinterpret_cast<std::byte*>(piece.data()));
      archive.write(piece);
    }
    archive.commit();
    file_.reset();
    std::error_code ignored;  // what stays of it does no harm
    fs::remove(part_, ignored);
  }
  std::string when_stopped() const override {
    return part_ + " has what was drawn, and the same command goes on with the rest";
  }

 private:
  // False where the part has samples of other settings, which are to be replaced. A sample that a
  // killed process has begun is cut off.
  bool go_on(const Json& settings, bool overwrite) {
    constexpr size_t kMostLine = 1 << 16;
    const FileReader part(part_);
    std::string line(std::min(part.size(), kMostLine), '\0');
    part.read(0, line.size(), reinterpret_cast<std::byte*>(line.data()));
    const size_t end = line.find('\n');
    const Json kept = Json::parse(line.substr(0, end), nullptr, false);
    if (end == std::string::npos || !kept.is_object()) {
      if (overwrite) return false;
      throw Error(ErrorKind::kData, part_, "is not the beginning of an array of samples",
                  "Choose another name, or replace it with --overwrite");
    }
    if (!same_settings(part_, kept, settings, overwrite)) return false;
    begin_ = static_cast<int64_t>(end) + 1;
    there_ = (static_cast<int64_t>(part.size()) - begin_) / medium_.sample_size();
    if (there_ > config_.count) {
      throw Error(ErrorKind::kUsage, part_,
                  str("has ", there_, " samples already, more than the ", config_.count, " wanted"),
                  str("Give --count ", there_, " or more, or choose another name"));
    }
    cut(begin_ + there_ * medium_.sample_size());
    return true;
  }
  void cut(int64_t size) const {
    std::error_code failure;
    fs::resize_file(part_, static_cast<uintmax_t>(size), failure);
    if (failure) throw Error(ErrorKind::kIo, part_, "cannot cut: " + failure.message());
  }

  std::string path_, part_;
  FileLock lock_;  // on the part, which is never replaced, only cut
  const Medium& medium_;
  const train::SampleConfig& config_;
  int64_t begin_ = 0;  // of the data in the part
  int64_t there_ = 0;  // samples
  std::optional<AppendFile> file_;
};

}  // namespace

std::unique_ptr<SampleOutput> sample_array(const OutputRequest& request) {
  return std::make_unique<SampleArray>(request);
}

}  // namespace lacuna::cli
