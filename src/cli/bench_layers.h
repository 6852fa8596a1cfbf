// `lacuna bench layers`.
#pragma once

#include "lacuna/cli/command.h"

namespace lacuna::cli {

/// Prints the time of each GPU kernel but attention and matrix products at the sizes of the paper's
/// models, and its share of the measured copy rate. Throws Error(kConfig) without a usable GPU.
void bench_layers(const Parsed& parsed);

}  // namespace lacuna::cli
