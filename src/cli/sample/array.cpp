// Samples as one array of bytes, N x the shape of a sample, for programs: an .npz. What has come so
// far lies beside it, in a file that begins with a line of settings.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "lacuna/base/error.h"
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
        medium_(request.medium),
        config_(request.config) {
    std::error_code ignored;
    if (!request.overwrite && fs::exists(path_, ignored)) {
      throw Error(ErrorKind::kUsage, path_, "is there already",
                  "Choose another name, or replace it with --overwrite");
    }
    Json settings = request.settings;
    settings["first"] = config_.first + 1;
    settings["shape"] = medium_.shape();
    const std::string line = settings.dump() + "\n";
    if (request.overwrite || !go_on(settings)) {
      write_atomic(part_, line);
      begin_ = static_cast<int64_t>(line.size());
    }
    file_.emplace(part_);
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
  // False where there is nothing to go on with. A sample that a killed process has begun is cut
  // off.
  bool go_on(const Json& settings) {
    std::error_code failure;
    if (!fs::exists(part_, failure)) return false;
    const auto size = static_cast<int64_t>(fs::file_size(part_, failure));
    constexpr size_t kMostLine = 1 << 16;
    const FileReader part(part_);
    std::string line(std::min(part.size(), kMostLine), '\0');
    part.read(0, line.size(), reinterpret_cast<std::byte*>(line.data()));
    const size_t end = line.find('\n');
    const Json kept = Json::parse(line.substr(0, end), nullptr, false);
    if (end == std::string::npos || !kept.is_object()) {
      throw Error(ErrorKind::kData, part_, "is not the beginning of an array of samples",
                  "Choose another name, or replace it with --overwrite");
    }
    check_same_settings(part_, kept, settings);
    begin_ = static_cast<int64_t>(end) + 1;
    there_ = (size - begin_) / medium_.sample_size();
    fs::resize_file(part_, static_cast<uintmax_t>(begin_ + there_ * medium_.sample_size()),
                    failure);
    if (failure) throw Error(ErrorKind::kIo, part_, "cannot cut: " + failure.message());
    return true;
  }

  std::string path_, part_;
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
