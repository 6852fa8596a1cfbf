#include "lacuna/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"

namespace lacuna::train {

namespace fs = std::filesystem;

namespace {

// TensorBoard looks for "tfevents" in a name and reads the files of a folder in their order; the
// ending tells ours from those of other programs.
constexpr const char* kEventPrefix = "events.out.tfevents.";
constexpr const char* kEventSuffix = ".lacuna";
constexpr std::string_view kSamplePrefix = "step-";
constexpr std::string_view kSampleSuffix = ".txt";

}  // namespace

void RunFolder::check_free(bool overwrite) const {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_directory(path_, ignored)) {
    throw Error(ErrorKind::kUsage, path_, "is a file, not the folder of a run",
                "Choose another folder with --train.run");
  }
  if (overwrite) return;
  std::vector<std::string> files = event_files();
  files.insert(files.end(), {config(), starts(), metrics(), log(), weights(), average(),
                             checkpoints(), samples()});
  for (const std::string& file : files) {
    if (!fs::exists(file, ignored)) continue;
    throw Error(ErrorKind::kUsage, file, "the folder holds a run already, or files of its names",
                "Use --resume auto to go on with it, --overwrite to replace it, or choose another "
                "folder with --train.run");
  }
}

bool RunFolder::has_run() const {
  std::error_code ignored;
  return fs::exists(config(), ignored);
}

bool RunFolder::is_in_use() const {
  const int descriptor = open((path_ + "/lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool taken = flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(descriptor);
  return taken;
}

std::string RunFolder::sample(int64_t step) const {
  return str(samples(), "/", kSamplePrefix, step, kSampleSuffix);
}

void RunFolder::make() const {
  std::error_code failure;
  fs::create_directories(path_, failure);
  if (failure) throw Error(ErrorKind::kIo, path_, "cannot make the folder: " + failure.message());
}

void RunFolder::begin(const Options& resolved) const {
  for (const std::string& file :
       {starts(), metrics(), log(), weights(), average(), checkpoints(), samples()}) {
    remove(file);
  }
  for (const std::string& file : event_files()) remove(file);
  write_atomic(config(), to_toml(resolved));
}

void RunFolder::continue_after(int64_t step, const Options& resolved) const {
  for (const std::string& file : {weights(), average()}) remove(file);
  empty_event_files();
  cut_jsonl(metrics(), "step", step);
  cut_jsonl(starts(), "step", step);
  cut_samples(step);
  cut_log(step);
  write_atomic(config(), to_toml(resolved));
}

std::string RunFolder::new_event_file() const {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const int64_t time = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  const std::string fraction = std::to_string(1'000'000 + time % 1'000'000).substr(1);
  return str(path_, "/", kEventPrefix, time / 1'000'000, ".", fraction, kEventSuffix);
}

std::vector<std::string> RunFolder::event_files() const {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kEventPrefix) && name.ends_with(kEventSuffix)) {
      files.push_back(path_ + "/" + name);
    }
  }
  return files;
}

void RunFolder::empty_event_files() const {
  for (const std::string& file : event_files()) {
    std::error_code failure;
    if (fs::file_size(file, failure) == 0) {
      remove(file);
    } else {
      fs::resize_file(file, 0, failure);
    }
    if (failure) throw Error(ErrorKind::kIo, file, "cannot empty: " + failure.message());
  }
}

std::string RunFolder::log_mark(int64_t step) {
  return str("step ", step, "  checkpoint");
}

// A log without the mark stays as it is.
void RunFolder::cut_log(int64_t step) const {
  std::error_code ignored;
  if (!fs::exists(log(), ignored)) return;
  const std::string text = read_text(log()), mark = log_mark(step) + '\n';
  const size_t found = text.rfind(' ' + mark);
  if (found != std::string::npos) write_atomic(log(), text.substr(0, found + 1 + mark.size()));
}

// What others have put there stays.
void RunFolder::cut_samples(int64_t step) const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(samples(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kSamplePrefix) || !name.ends_with(kSampleSuffix)) continue;
    int64_t of = 0;
    const char *begin = name.data() + kSamplePrefix.size(), *end = name.data() + name.size();
    const auto [stop, status] = std::from_chars(begin, end, of);
    const bool ours = status == std::errc() && std::string_view(stop, end) == kSampleSuffix;
    if (ours && of > step) remove(entry.path().string());
  }
}

void RunFolder::remove(const std::string& file) const {
  std::error_code failure;
  fs::remove_all(file, failure);
  if (failure) throw Error(ErrorKind::kIo, file, "cannot remove: " + failure.message());
}

}  // namespace lacuna::train
