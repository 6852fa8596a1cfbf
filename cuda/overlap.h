// Whether launches may overlap (launch_kernel.h).
#pragma once

namespace lacuna::cuda {

/// Whether this program, the driver and the current GPU can do so.
bool can_overlap_launches();

}  // namespace lacuna::cuda
