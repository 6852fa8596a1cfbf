// NCCL, loaded when it is first wanted: the binary starts on machines without it.
#pragma once

#include <nccl.h>

#include <string>

namespace lacuna::cuda {

/// The functions of the library, which stays loaded until the process ends.
struct NcclLibrary {
  decltype(&ncclGetVersion) get_version;
  decltype(&ncclGetUniqueId) get_unique_id;
  decltype(&ncclCommInitRankConfig) comm_init;
  decltype(&ncclCommGetAsyncError) comm_get_async_error;
  decltype(&ncclCommFinalize) comm_finalize;
  decltype(&ncclCommDestroy) comm_destroy;
  decltype(&ncclCommAbort) comm_abort;
  decltype(&ncclGetErrorString) get_error_string;
  decltype(&ncclGetLastError) get_last_error;
  decltype(&ncclAllReduce) all_reduce;
  decltype(&ncclReduceScatter) reduce_scatter;
  decltype(&ncclAllGather) all_gather;
  decltype(&ncclBroadcast) broadcast;
};

/// Throws Error(kConfig) where there is no NCCL, or one that is too old.
NcclLibrary load_nccl();

/// "2.28.9".
std::string version_of(const NcclLibrary& nccl);

}  // namespace lacuna::cuda
