#include "lacuna/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/io/json_line.h"
#include "lacuna/train/checkpoint.h"
#include "numbered.h"
#include "run_traces.h"

namespace lacuna::train {

namespace fs = std::filesystem;

namespace {

// TensorBoard looks for "tfevents" in a name and reads the files of a folder in their order; the
// ending tells ours from those of other programs.
constexpr const char* kEventPrefix = "events.out.tfevents.";
constexpr const char* kEventSuffix = ".lacuna";
constexpr std::string_view kSamplePrefix = "step-";
constexpr std::string_view kSampleSuffixes[] = {".txt", ".png", ".wav"};

// What others have put into a folder keeps it.
void remove_if_empty(const std::string& folder) {
  std::error_code failure;
  if (fs::is_directory(folder, failure)) fs::remove(folder, failure);
}

// Whether `path` is `place` or lies in it; both are canonical.
bool lies_in(const fs::path& path, const fs::path& place) {
  return std::mismatch(place.begin(), place.end(), path.begin(), path.end()).first == place.end();
}

}  // namespace

bool RunFolder::has_run() const {
  return has_traces_of_run(*this);
}

bool RunFolder::has_config() const {
  std::error_code ignored;
  return fs::exists(config(), ignored);
}

std::vector<std::string> RunFolder::files() const {
  std::vector<std::string> all;
  for (const std::string& file : {config(), starts(), metrics(), log(), weights(), average()}) {
    if (is_taken(file)) all.push_back(file);
  }
  for (const std::string& folder : {checkpoints(), samples()}) {
    if (is_taken(folder)) all.push_back(folder);
  }
  for (const std::string& file : event_files()) all.push_back(file);
  return all;
}

void RunFolder::check_free(bool overwrite) const {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_directory(path_, ignored)) {
    throw Error(ErrorKind::kUsage, path_, "is a file, not the folder of a run",
                "Choose another folder with --train.run");
  }
  const std::vector<std::string> there = files();
  if (there.empty()) return;
  if (!has_run()) {
    throw Error(ErrorKind::kUsage, there.front(),
                "stands where a run would write, and the folder is not that of a run",
                "Choose another folder with --train.run");
  }
  if (overwrite) return;
  throw Error(ErrorKind::kUsage, path_, "the folder holds a run already",
              "Use --resume auto to go on with it, --overwrite to replace it, or choose another "
              "folder with --train.run");
}

void RunFolder::check_holds_none_of(const std::vector<std::string>& sources) const {
  std::error_code ignored;
  std::vector<fs::path> ours;
  for (const std::string& file : files()) ours.push_back(fs::weakly_canonical(file, ignored));
  for (const std::string& source : sources) {
    const fs::path read = fs::weakly_canonical(source, ignored);
    for (const fs::path& file : ours) {
      if (!lies_in(read, file)) continue;
      throw Error(ErrorKind::kUsage, source,
                  "is data to train on, but stands where the run writes and removes files",
                  "Move the data, or choose another folder with --train.run");
    }
  }
}

bool RunFolder::is_in_use() const {
  const int descriptor = open(lock().c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool taken = flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(descriptor);
  return taken;
}

std::string RunFolder::sample(int64_t step, const std::string& suffix) const {
  return str(samples(), "/", kSamplePrefix, step, suffix);
}

bool RunFolder::make() const {
  std::error_code failure;
  const bool fresh = fs::create_directories(path_, failure);
  if (failure) throw Error(ErrorKind::kIo, path_, "cannot make the folder: " + failure.message());
  return fresh;
}

void RunFolder::unmake() const {
  std::error_code ignored;
  fs::remove(lock(), ignored);
  remove_if_empty(path_);
}

// A process killed anywhere in between leaves what has_run() recognises: there is a resolved
// configuration, alone or with the starts.
void RunFolder::begin(const Options& resolved) const {
  write_atomic(config(), to_toml(resolved));
  write_atomic(starts(), "");
  CheckpointFolder(checkpoints()).clear();
  for (const std::string& file : samples_after(-1)) remove(file);
  for (const std::string& file : event_files()) remove(file);
  for (const std::string& file : {weights(), average(), log(), metrics()}) remove(file);
  for (const std::string& folder : {checkpoints(), samples()}) remove_if_empty(folder);
}

void RunFolder::continue_after(int64_t step, const Options& resolved) const {
  for (const std::string& file : {weights(), average()}) remove(file);
  empty_event_files();
  cut_jsonl(metrics(), "step", step);
  cut_jsonl(starts(), "step", step);
  for (const std::string& file : samples_after(step)) remove(file);
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

std::vector<std::string> RunFolder::samples_after(int64_t step) const {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(samples(), ignored)) {
    const std::string name = entry.path().filename().string();
    for (const std::string_view suffix : kSampleSuffixes) {
      if (numbered(name, kSamplePrefix, suffix).value_or(-1) > step) {
        files.push_back(entry.path().string());
      }
    }
  }
  return files;
}

// Never a folder with something in it: a run makes files.
void RunFolder::remove(const std::string& file) const {
  std::error_code failure;
  fs::remove(file, failure);
  if (failure) throw Error(ErrorKind::kIo, file, "cannot remove: " + failure.message());
}

}  // namespace lacuna::train
