#include "lacuna/train/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/train/weights.h"
#include "manifest.h"
#include "numbered.h"

namespace lacuna::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "step-";
constexpr const char *kMaking = ".making", *kRemoving = ".removing";
constexpr const char* kBestMark = "best";  // beside the checkpoints: the step of the best one

std::vector<FlatBuffer> optimizer_buffers(const Snapshot& snapshot) {
  std::vector<FlatBuffer> buffers;
  for (const auto& [name, values] : snapshot.optimizer) buffers.push_back({name + ".", values});
  return buffers;
}

void write_files(const std::string& folder, const Snapshot& snapshot,
                 const BetweenPieces& between_pieces) {
  const std::map<std::string, std::string> facts{{"format", "lacuna"},
                                                 {"step", std::to_string(snapshot.state.step)}};
  std::vector<std::string> files{"config.toml", "weights.safetensors", "optimizer.safetensors",
                                 "state.json"};
  write_atomic(folder + "/config.toml", snapshot.config);
  save_buffers(folder + "/weights.safetensors", snapshot.slices, {{"", snapshot.weights}}, facts,
               between_pieces);
  save_buffers(folder + "/optimizer.safetensors", snapshot.slices, optimizer_buffers(snapshot),
               facts, between_pieces);
  if (snapshot.average.present()) {
    save_buffers(folder + "/average.safetensors", snapshot.slices, {{"", snapshot.average}}, facts,
                 between_pieces);
    files.emplace_back("average.safetensors");
  }
  write_atomic(folder + "/state.json", state_text(snapshot.state));
  // Everything is needed to go on, and the optimizer's state is whole, in one file.
  write_manifest(folder, files,
                 {.required = files,
                  .moments = snapshot.optimizer.front().second.dtype(),
                  .ranges = {{"optimizer.safetensors", 0, snapshot.used}},
                  .place = snapshot.place},
                 between_pieces);
}

void make_folder(const std::string& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) throw Error(ErrorKind::kIo, path, "cannot make the folder: " + failure.message());
}

void move_folder(const std::string& from, const std::string& to) {
  std::error_code failure;
  fs::rename(from, to, failure);
  if (failure) throw Error(ErrorKind::kIo, to, "cannot rename: " + failure.message());
}

void remove_folder(const std::string& path) {
  std::error_code ignored;
  fs::remove(path + "/" + kManifestName, ignored);
  fs::remove_all(path, ignored);
}

// Under its name a checkpoint is whole or gone, even if the process is killed half-way; and the
// manifest goes first, so that what has one is whole under any name.
void discard(const std::string& place) {
  std::error_code ignored;  // what cannot be removed now is removed with the next discard_after()
  const std::string going = place + kRemoving;
  remove_folder(going);
  fs::rename(place, going, ignored);
  remove_folder(going);
}

}  // namespace

void CheckpointFolder::write(const Snapshot& snapshot, const Retention& retention,
                             const BetweenPieces& between_pieces) const {
  const std::string place = at(snapshot.state.step), making = place + kMaking;
  remove_folder(making);  // of a run that was killed
  make_folder(making);
  sync_folder(std::filesystem::path(path_).parent_path().string());
  try {
    write_files(making, snapshot, between_pieces);
    verify_checkpoint(making, between_pieces);
  } catch (...) {
    remove_folder(making);
    throw;
  }
  // The mark comes first: a run killed between the two comes by here again, and marks it again; the
  // other way round the best one would never get its mark.
  if (snapshot.best) write_atomic(path_ + "/" + kBestMark, std::to_string(snapshot.state.step));
  discard(place);  // the same step, written before the validation part made it the best
  move_folder(making, place);
  sync_folder(path_);
  prune(retention);
}

std::string CheckpointFolder::at(int64_t step) const {
  return path_ + "/" + kPrefix + std::to_string(step);
}

std::vector<int64_t> CheckpointFolder::steps() const {
  std::vector<int64_t> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_, ignored)) {
    const auto step = numbered(entry.path().filename().string(), kPrefix, "");
    if (step) found.push_back(*step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string CheckpointFolder::newest_complete() const {
  std::vector<int64_t> all = steps();
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      verify_checkpoint(at(*step));
      return at(*step);
    } catch (const Error& damage) {
      if (damage.kind() != ErrorKind::kData) throw;
      log_warning(str("passed over a checkpoint: ", damage.what()));
    }
  }
  return "";
}

std::optional<int64_t> CheckpointFolder::best_step() const {
  std::error_code ignored;
  if (!fs::exists(path_ + "/" + kBestMark, ignored)) return std::nullopt;
  try {
    return parse_count(read_text(path_ + "/" + kBestMark));
  } catch (const std::exception&) {  // damaged: then none is kept for being the best
    return std::nullopt;
  }
}

void CheckpointFolder::prune(const Retention& retention) const {
  const std::vector<int64_t> all = steps();
  const std::optional<int64_t> best = best_step();
  const auto old = static_cast<int64_t>(all.size()) - retention.last;
  for (int64_t i = 0; i < old; ++i) {
    const int64_t step = all[static_cast<size_t>(i)];
    if (step == best || (retention.every > 0 && step % retention.every == 0)) continue;
    discard(at(step));
  }
}

void CheckpointFolder::discard_after(int64_t step, const Retention& retention) const {
  for (const int64_t later : steps()) {
    if (later > step) discard(at(later));
  }
  std::error_code ignored;
  if (best_step().value_or(0) > step) fs::remove(path_ + "/" + kBestMark, ignored);
  remove_halves();
  prune(retention);  // a killed process may not have come to it
}

void CheckpointFolder::clear() const {
  for (const int64_t step : steps()) {
    discard(at(step));
    if (!fs::exists(at(step))) continue;
    throw Error(ErrorKind::kIo, at(step), "cannot remove the checkpoint");
  }
  std::error_code ignored;
  fs::remove(path_ + "/" + kBestMark, ignored);
  remove_halves();
}

// What killed processes have left.
void CheckpointFolder::remove_halves() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (numbered(name, kPrefix, kMaking) || numbered(name, kPrefix, kRemoving)) {
      remove_folder(entry.path().string());
    }
  }
}

CheckpointWriter::~CheckpointWriter() {
  if (!under_way_.valid()) return;
  pacer_->hurry();
  under_way_.wait();
}

Snapshot& CheckpointWriter::next() {
  wait();
  return snapshot_;
}

void CheckpointWriter::start() {
  wait();
  pacer_.emplace();
  const auto write = [this]() -> std::string {
    pacer_->begin();
    try {
      folder_.write(snapshot_, retention_, [this] { pacer_->rest(); });
      return "";
    } catch (const std::exception& failure) {
      return failure.what();
    }
  };
  try {
    under_way_ = std::async(std::launch::async, write);
  } catch (const std::system_error& failure) {
    if (!std::exchange(in_foreground_, true)) {
      log_warning(str("no thread could be made to write a checkpoint (", failure.code().message(),
                      "): training waits while checkpoints are written"));
    }
    pacer_->hurry();
    under_way_ = std::async(std::launch::deferred, write);
    under_way_.wait();
  }
}

void CheckpointWriter::wait() {
  if (!under_way_.valid()) return;
  pacer_->hurry();
  failure_ = under_way_.get();
  if (!failure_.empty()) log_warning("no checkpoint was written: " + failure_);
}

}  // namespace lacuna::train
