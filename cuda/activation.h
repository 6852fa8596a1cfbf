// The passes over rows beside the matrix products of a linear layer.
#pragma once

#include "lacuna/kernels/activation.h"
