#include "resume.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/data/records.h"
#include "lacuna/data/shards.h"
#include "lacuna/data/source_files.h"
#include "lacuna/train/checkpoint.h"
#include "lacuna/train/saved_run.h"

namespace lacuna::train {
namespace {

namespace fs = std::filesystem;

RunStart newest_of(const RunFolder& folder) {
  const CheckpointFolder checkpoints(folder.checkpoints());
  const std::string newest = checkpoints.newest_complete();
  if (newest.empty() && (!checkpoints.steps().empty() || fs::exists(folder.weights()))) {
    throw Error(ErrorKind::kData, folder.checkpoints(), "none of the run's checkpoints is complete",
                "Use --overwrite to begin again, or --init-from for its weights alone");
  }
  return {newest, !newest.empty()};
}

// The folder of a run is no checkpoint, but has some.
void check_is_checkpoint(const std::string& place) {
  const CheckpointFolder checkpoints(RunFolder(place).checkpoints());
  if (checkpoints.steps().empty()) return;
  const std::string newest = checkpoints.newest_complete();
  throw Error(ErrorKind::kUsage, "--resume", place + " is the folder of a run, not of a checkpoint",
              newest.empty()
                  ? "None of its checkpoints is complete"
                  : "The newest is " + newest + "; --resume auto takes the newest of train.run");
}

// What a run has made after the step of a checkpoint and loses when it goes on from there.
std::vector<std::string> made_after(const std::string& checkpoint, const RunFolder& folder) {
  const int64_t step = read_state(checkpoint).step;
  std::vector<std::string> lost;
  for (const int64_t later : CheckpointFolder(folder.checkpoints()).steps()) {
    if (later > step) lost.push_back(str("step-", later));
  }
  std::error_code ignored;
  if (fs::exists(folder.weights(), ignored) && step_of_weights(folder.weights()) != step) {
    lost.emplace_back("the final weights");
  }
  return lost;
}

void check_nothing_is_lost(const std::string& checkpoint, const RunFolder& folder) {
  const std::vector<std::string> lost = made_after(checkpoint, folder);
  if (lost.empty()) return;
  throw Error(
      ErrorKind::kUsage, "--resume",
      "going on from " + checkpoint + " removes what the run made after it: " + join(lost, ", "),
      "Add --overwrite if that may go, or go on in another folder with --train.run");
}

}  // namespace

RunStart choose_start(const RunRequest& request, const RunFolder& folder) {
  if (!request.resume.empty() && !request.init_from.empty()) {
    throw Error(ErrorKind::kUsage, "--resume",
                "contradicts --init-from: a resumed run goes on as it was");
  }
  if (request.resume == "auto" && request.overwrite) {
    throw Error(ErrorKind::kUsage, "--resume auto",
                "contradicts --overwrite: nothing of the run is replaced");
  }
  if (request.resume == "auto" && folder.has_run()) return newest_of(folder);
  RunStart start;
  if (!request.resume.empty() && request.resume != "auto") {
    check_is_checkpoint(request.resume);
    verify_checkpoint(request.resume);
    std::error_code ignored;
    start = {request.resume, fs::equivalent(request.resume + "/..", folder.checkpoints(), ignored)};
  }
  if (!start.own || !folder.has_run()) {
    folder.check_free(request.overwrite);
  } else if (!request.overwrite) {
    check_nothing_is_lost(start.checkpoint, folder);
  }
  return start;
}

std::string rate_jump(const Options& before, const Options& now, const StepSize& step,
                      int64_t updates) {
  const optim::Schedule old_way = schedule(before, step), new_way = schedule(now, step);
  const double from = old_way.rate(updates), to = new_way.rate(updates + 1);
  if (old_way.total == new_way.total || updates >= new_way.total || from == to) return "";
  return str("train.length is ", now.train.length, " now, it was ", before.train.length,
             ": the learning rate jumps from ", from, " to ", to, ", ",
             fixed(to / new_way.learning_rate, 2), " of its peak");
}

void check_data_stays(const Options& options, const RunFolder& folder) {
  if (folder.files().empty()) return;
  for (const std::string& path : data_paths(dataset_config(options))) {
    std::vector<std::string> sources{path};
    try {
      if (!is_prepared(path))
        sources = source_files({path}, options.data.suffixes, folder.path()).files;
    } catch (const Error&) {
      continue;  // no data: the data set is of a format that reads no files
    }
    folder.check_holds_none_of(sources);
  }
}

}  // namespace lacuna::train
