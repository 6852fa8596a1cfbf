// Gradients of the keys and values for heads of up to 64 elements in queries and keys and 64 in
// values.
#include "attention/backward_keys.cuh"

namespace lacuna::cuda::attention {

template void launch_backward_keys<__nv_bfloat16, 64, 64>(const BackwardArguments<__nv_bfloat16>&,
                                                          cudaStream_t);
template void launch_backward_keys<__half, 64, 64>(const BackwardArguments<__half>&, cudaStream_t);

}  // namespace lacuna::cuda::attention
