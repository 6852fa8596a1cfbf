#include "version.h"

#include "lacuna/base/text.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna::cli {

std::string version_number() {
  return LACUNA_VERSION;
}

std::string version_text() {
  std::string text =
      str("lacuna ", version_number(), "\n", LACUNA_BUILD, " build by ", LACUNA_COMPILER,
          ", CPU code for ", LACUNA_CPU_ARCH, "\n", available_threads(), " CPU threads\n");
#ifdef LACUNA_CUDA_TOOLKIT
  text += str("CUDA toolkit ", LACUNA_CUDA_TOOLKIT, "; training runs on the CPU in this version\n");
  for (const std::string& line : cuda::describe_gpus()) text += "GPU: " + line + "\n";
#else
  text += "built without CUDA\n";
#endif
  text.pop_back();
  return text;
}

}  // namespace lacuna::cli
