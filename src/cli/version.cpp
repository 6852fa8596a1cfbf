#include "version.h"

#include "lacuna/base/facts.h"
#include "lacuna/base/resources.h"
#include "lacuna/base/text.h"
#include "lacuna/tensor/gpus.h"
#include "lacuna/tensor/runtime.h"

namespace lacuna::cli {

std::string version_number() {
  return build_facts().version;
}

std::string version_text() {
  const BuildFacts build = build_facts();
  std::string text =
      str("lacuna ", build.version, "\n", build.build, " build by ", build.compiler,
          ", CPU code for ", build.cpu_code, "\n", available_threads(), " CPU threads\n");
#ifdef LACUNA_CUDA_TOOLKIT
  text += str("CUDA toolkit ", build.cuda_toolkit, "\n");
  for (const std::string& line : cuda::describe_gpus()) text += "GPU: " + line + "\n";
#else
  text += "built without CUDA\n";
#endif
  text.pop_back();
  return text;
}

}  // namespace lacuna::cli
