// Gradients on Hopper for heads of 64 elements in queries and keys and 64 in values.
#include "attention/backward_sm90.cuh"

namespace lacuna::cuda::attention {

template void launch_backward_sm90<__nv_bfloat16, 64, 64>(const BackwardArguments<__nv_bfloat16>&,
                                                          const PairWork&, const Sm90Maps&, int,
                                                          cudaStream_t);
template void launch_backward_sm90<__half, 64, 64>(const BackwardArguments<__half>&,
                                                   const PairWork&, const Sm90Maps&, int,
                                                   cudaStream_t);

}  // namespace lacuna::cuda::attention
