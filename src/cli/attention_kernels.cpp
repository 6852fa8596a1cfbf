#include "attention_kernels.h"

#include "lacuna/base/names.h"

namespace lacuna::cli {

const Argument kFamily{"--family", "NAME", "auto",
                       "Kernels of attention: auto (those made for the GPU) or general"};

cuda::AttentionKernels wanted_attention(const Parsed& parsed) {
  const std::string& name = parsed.text("family");
  if (name == "auto") return cuda::AttentionKernels::kAutomatic;
  if (name == "general") return cuda::AttentionKernels::kGeneral;
  throw unknown_name(ErrorKind::kUsage, "--family", "family of kernels", name, {"auto", "general"});
}

}  // namespace lacuna::cli
