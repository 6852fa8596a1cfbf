// Forward attention for heads of up to 32 elements in queries and keys and 32 in values.
#include "attention/forward.cuh"

namespace lacuna::cuda::attention {

template void launch_forward<__nv_bfloat16, 32, 32>(const ForwardArguments<__nv_bfloat16>&,
                                                    cudaStream_t);
template void launch_forward<__half, 32, 32>(const ForwardArguments<__half>&, cudaStream_t);

}  // namespace lacuna::cuda::attention
