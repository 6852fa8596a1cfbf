// Drawing samples into an output, a batch at a time.
#pragma once

#include "output.h"

namespace lacuna::cli {

/// Draws what is missing in `output` and gives it each batch as soon as it is whole, with a live
/// line meanwhile. Returns false when it was stopped; then the batch at hand is lost.
bool draw_samples(train::SavedRun& run, const SampleRequest& request, SampleOutput& output,
                  const Stop& stop);

}  // namespace lacuna::cli
