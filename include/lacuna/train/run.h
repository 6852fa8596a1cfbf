// A whole training run: the trainer with its folder, its log and the line at the terminal.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "lacuna/comm/group.h"
#include "lacuna/train/options.h"

namespace lacuna::train {

struct RunRequest {
  Options options;         // options.train.run names the folder
  bool overwrite = false;  // replace the run that is in the folder, once the first step is done
  std::string resume;  // empty; "auto": the newest complete checkpoint of the folder, or from the
                       // start when there is none yet; otherwise the folder of a checkpoint
  std::string init_from;  // empty, or the folder of a run or checkpoint whose weights to start from
};

/// Throws what run_training() does for mistakes that it finds before it reads data.
void check_request(const RunRequest& request);

/// Trains, evaluates the validation part at intervals and at the end, writes checkpoints and, at
/// the end, the weights. Once `stop()` is true the step at hand is finished, a checkpoint and the
/// weights are saved and the function returns; when the data cannot be read any more, a
/// process alone saves them and Error(kIo) says so. Nothing but the folder and its lock is written
/// before the first step is done, so that a start that fails leaves an older run as it was. A
/// checkpoint that cannot be written is a warning; when the last one could not be, Error(kIo) at
/// the end. Throws Error. All ranks of a group call it with the same options; the first alone
/// writes, and reads what the run goes on from, so the folder need not be seen by others.
void run_training(const RunRequest& request, const std::shared_ptr<Group>& group,
                  const std::function<bool()>& stop);

}  // namespace lacuna::train
