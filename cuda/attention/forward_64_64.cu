// Forward attention for heads of up to 64 elements in queries and keys and 64 in values.
#include "attention/forward.cuh"

namespace lacuna::cuda::attention {

template void launch_forward<__nv_bfloat16, 64, 64>(const ForwardArguments<__nv_bfloat16>&,
                                                    cudaStream_t);
template void launch_forward<__half, 64, 64>(const ForwardArguments<__half>&, cudaStream_t);

}  // namespace lacuna::cuda::attention
