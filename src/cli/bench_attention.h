// The benchmark of attention on a GPU.
#pragma once

#include <string>

#include "lacuna/cli/command.h"

namespace lacuna::cli {

/// `lacuna bench attention`: reads --case, --dtype, --rates, --json and --repeats. Throws Error
/// when there is no usable GPU or a case cannot be read.
void bench_attention_on_gpu(const Parsed& parsed);

}  // namespace lacuna::cli
