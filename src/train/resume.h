// Where a training run begins, and whether it may write where it is told to.
#pragma once

#include <string>

#include "lacuna/train/run.h"
#include "lacuna/train/run_folder.h"
#include "lacuna/train/setup.h"

namespace lacuna::train {

struct RunStart {
  std::string checkpoint;  // verified, to go on from; empty when the run begins at the start
  bool own = false;        // the checkpoint is one of the folder's own run, which goes on
};

/// Throws Error(kUsage) for flags that contradict each other and for a folder that is not free for
/// what was asked, Error(kData) when there is no such checkpoint.
RunStart choose_start(const RunRequest& request, const RunFolder& folder);

/// Says how another train.length makes the learning rate jump after so many updates; empty when it
/// does not.
std::string rate_jump(const Options& before, const Options& now, const StepSize& step,
                      int64_t updates);

/// Throws Error(kUsage) when the run would remove or rewrite what it trains on. The data set has
/// been opened.
void check_data_stays(const Options& options, const RunFolder& folder);

}  // namespace lacuna::train
