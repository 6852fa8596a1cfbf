// Forward attention for heads of up to 128 elements in queries and keys and 128 in values.
#include "attention/forward.cuh"

namespace lacuna::cuda::attention {

template void launch_forward<__nv_bfloat16, 128, 128>(const ForwardArguments<__nv_bfloat16>&,
                                                      cudaStream_t);
template void launch_forward<__half, 128, 128>(const ForwardArguments<__half>&, cudaStream_t);

}  // namespace lacuna::cuda::attention
