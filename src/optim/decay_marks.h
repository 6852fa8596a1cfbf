// Which weights decay, in the form that the contracts of optimizers read.
#pragma once

#include "lacuna/nn/parameters.h"

namespace lacuna::optim {

/// [ceil(flat_count / 16)] u8 in memory of the queue's device: 1 for the groups of elements
/// (kDecayGroup) of parameters that decay.
Tensor decay_marks(const Queue& queue, const nn::ParameterStore& parameters);

/// The marks of the groups of elements [begin, begin + count).
View marks_of(const View& marks, int64_t begin, int64_t count);

}  // namespace lacuna::optim
