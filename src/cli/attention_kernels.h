// The flag --family of the commands that run attention on a GPU.
#pragma once

#include "lacuna/cli/command.h"
#include "lacuna/tensor/gpus.h"

namespace lacuna::cli {

extern const Argument kFamily;

/// Throws Error(kUsage) with the known families.
cuda::AttentionKernels wanted_attention(const Parsed& parsed);

}  // namespace lacuna::cli
