#include "nccl_library.h"

#include <dlfcn.h>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::cuda {
namespace {

constexpr const char* kFile = "libnccl.so.2";
constexpr int kOldest = 21400;  // whose communicators need not block

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function != nullptr) return;
  throw Error(ErrorKind::kConfig, kFile, str("it has no ", name, ": NCCL is too old"),
              "Install NCCL 2.14 or newer");
}

int version_number_of(const NcclLibrary& nccl) {
  int version = 0;
  nccl.get_version(&version);
  return version;
}

}  // namespace

NcclLibrary load_nccl() {
  void* library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* fault = dlerror();
    throw Error(ErrorKind::kConfig, kFile,
                str("NCCL, by which several GPUs train together, cannot be loaded: ",
                    fault == nullptr ? "" : fault),
                "Install NCCL 2.14 or newer, or name its folder in LD_LIBRARY_PATH");
  }
  NcclLibrary nccl{};
  find(library, "ncclGetVersion", nccl.get_version);
  find(library, "ncclGetUniqueId", nccl.get_unique_id);
  find(library, "ncclCommInitRankConfig", nccl.comm_init);
  find(library, "ncclCommGetAsyncError", nccl.comm_get_async_error);
  find(library, "ncclCommFinalize", nccl.comm_finalize);
  find(library, "ncclCommDestroy", nccl.comm_destroy);
  find(library, "ncclCommAbort", nccl.comm_abort);
  find(library, "ncclGetErrorString", nccl.get_error_string);
  find(library, "ncclGetLastError", nccl.get_last_error);
  find(library, "ncclAllReduce", nccl.all_reduce);
  find(library, "ncclReduceScatter", nccl.reduce_scatter);
  find(library, "ncclAllGather", nccl.all_gather);
  find(library, "ncclBroadcast", nccl.broadcast);
  if (version_number_of(nccl) < kOldest) {
    throw Error(ErrorKind::kConfig, kFile, "NCCL " + version_of(nccl) + " is too old",
                "Install NCCL 2.14 or newer");
  }
  return nccl;
}

std::string version_of(const NcclLibrary& nccl) {
  const int version = version_number_of(nccl);  // as NCCL_VERSION() makes it since 2.9
  return str(version / 10000, '.', version / 100 % 100, '.', version % 100);
}

}  // namespace lacuna::cuda
