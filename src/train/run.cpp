#include "lacuna/train/run.h"

#include "data_identity.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/saved_run.h"
#include "lacuna/train/time_limit.h"
#include "resume.h"
#include "run_director.h"
#include "same_on_all.h"

namespace lacuna::train {
namespace {

// The folder as the rank that writes holds it until the run begins in it.
class RunPlace {
 public:
  RunPlace(const RunRequest& request, const RunFolder& folder) : folder_(folder) {
    if (folder.has_run()) lock_.emplace(folder.path());  // from before the checkpoint is chosen
    was_there_ = lock_.has_value();
    start_ = choose_start(request, folder);
  }
  ~RunPlace() {
    if (begun_) return;
    lock_.reset();
    if (made_) folder_.unmake();
  }
  RunPlace(const RunPlace&) = delete;
  RunPlace& operator=(const RunPlace&) = delete;

  const RunStart& start() const { return start_; }
  bool was_there() const { return was_there_; }

  // Resolved, and the data set has been opened.
  void check(const Options& options) const {
    check_data_stays(options, folder_);
    if (start_.checkpoint.empty()) return;
    check_resumable(read_options(start_.checkpoint + "/config.toml", {}), options);
  }
  void take() {
    const bool made = folder_.make();
    if (!lock_) {
      lock_.emplace(folder_.path());
      folder_.check_free(false);  // another process may have been here meanwhile
    }
    made_ = made;
  }
  void begin(const Options& options, const RunDirector& director, int64_t step) {
    begun_ = true;
    if (start_.own) {
      folder_.continue_after(step, options);
      director.discard_later_checkpoints();
    } else {
      folder_.begin(options);
    }
    open_log_file(folder_.log());
  }

 private:
  const RunFolder& folder_;
  RunStart start_;
  std::optional<FolderLock> lock_;
  bool was_there_ = false, made_ = false, begun_ = false;
};

std::string first_line(const RunRequest& request, const RunStart& start, const RunFolder& folder) {
  if (!start.checkpoint.empty()) return "resumed from " + start.checkpoint;
  if (request.resume.empty()) return "";
  return "nothing to resume in " + folder.path() + ": a new run begins";
}

}  // namespace

void check_request(const RunRequest& request) {
  check_options(request.options);
  const RunFolder folder(request.options.train.run);
  (void)RunPlace(request, folder);
}

void run_training(const RunRequest& request, const std::shared_ptr<Group>& group,
                  const std::function<bool()>& asked_to_stop) {
  Options options = request.options;
  check_options(options);
  const TimeLimit limit(options.train.time_limit);
  const std::function<bool()> asked = [&] { return asked_to_stop() || limit.is_over(); };
  StopSign stop(asked, *group);
  const RunFolder folder(options.train.run);
  std::optional<RunPlace> place;
  if (group->is_first()) place.emplace(request, folder);
  const RunStart start = place ? place->start() : RunStart{};
  resolve(options);
  const std::unique_ptr<Dataset> data = open_dataset(dataset_config(options));
  if (place) place->check(options);

  const auto say_stopped = [&] {
    log_info(str("stopped before the first step was done; ",
                 place && place->was_there() ? "the run is as it was in " : "no run was begun in ",
                 folder.path()));
  };
  const std::optional<std::string> identity = identity_of(*data, [&] { return stop.wanted(); });
  if (stop.ask_all("the data has been read") || !identity) return say_stopped();
  check_same_on_all(*group, options, *identity);
  RunDirector run(options, *data, *identity, folder, group, stop);
  if (!start.checkpoint.empty()) run.restore(start.checkpoint);
  if (place && !request.init_from.empty()) {
    run.trainer().start_from(weights_in(request.init_from, false));
  }
  run.take_state_of_first();
  if (place) place->take();
  run.open(first_line(request, start, folder));
  const bool stopped = stop.ask_all("the run is open") || !run.try_first_step();
  const bool leave = place && !start.own && (stopped || (place->was_there() && stop.wanted()));
  if (group->from_first("whether the run goes on", leave ? "no" : "yes") == "no") {
    return say_stopped();
  }
  if (place) place->begin(options, run, run.trainer().steps_done());
  run.train();
}

}  // namespace lacuna::train
