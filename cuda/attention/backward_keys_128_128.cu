// Gradients of the keys and values for heads of up to 128 elements in queries and keys and 128 in
// values.
#include "attention/backward_keys.cuh"

namespace lacuna::cuda::attention {

template void launch_backward_keys<__nv_bfloat16, 128, 128>(const BackwardArguments<__nv_bfloat16>&,
                                                            cudaStream_t);
template void launch_backward_keys<__half, 128, 128>(const BackwardArguments<__half>&,
                                                     cudaStream_t);

}  // namespace lacuna::cuda::attention
