// Gradients of the queries for heads of up to 64 elements in queries and keys and 64 in values.
#include "attention/backward_queries.cuh"

namespace lacuna::cuda::attention {

template void launch_backward_queries<__nv_bfloat16, 64, 64>(
    const BackwardArguments<__nv_bfloat16>&, cudaStream_t);
template void launch_backward_queries<__half, 64, 64>(const BackwardArguments<__half>&,
                                                      cudaStream_t);

}  // namespace lacuna::cuda::attention
