// Where a training run begins, and whether it may write where it is told to.
#pragma once

#include <string>

#include "lacuna/train/run.h"
#include "lacuna/train/run_folder.h"

namespace lacuna::train {

/// The verified checkpoint to go on from; empty when the run begins at the start. Throws
/// Error(kUsage) for flags that contradict each other and Error(kData) when there is no such
/// checkpoint.
std::string checkpoint_for(const RunRequest& request, const RunFolder& folder);

/// A resumed run may go on in its own folder; any other must be free: throws Error(kUsage).
void check_folder(const RunRequest& request, const RunFolder& folder,
                  const std::string& checkpoint);

}  // namespace lacuna::train
