// What tells the folder of a run from every other one that has files of the same names.
#pragma once

#include <string>

#include "lacuna/train/run_folder.h"

namespace lacuna::train {

/// Whether lacuna has begun a run in the folder, however far it came and whichever build it was. A
/// configuration that a run has resolved may have been copied to a project of other things: so
/// there must also be what only a run records, or nothing else that a run would have written.
bool has_traces_of_run(const RunFolder& folder);

}  // namespace lacuna::train
