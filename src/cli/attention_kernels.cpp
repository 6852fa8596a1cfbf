#include "attention_kernels.h"

#include "lacuna/base/names.h"

namespace lacuna::cli {

const Argument kFamily{"--family", "NAME", "auto",
                       "Kernels of attention, where they can: auto, general or sm90 (Hopper's)"};

cuda::AttentionKernels wanted_attention(const Parsed& parsed) {
  const std::string& name = parsed.text("family");
  if (name == "auto") return cuda::AttentionKernels::kAutomatic;
  if (name == "general") return cuda::AttentionKernels::kGeneral;
  if (name == "sm90") return cuda::AttentionKernels::kSm90;
  throw unknown_name(ErrorKind::kUsage, "--family", "family of kernels", name,
                     {"auto", "general", "sm90"});
}

}  // namespace lacuna::cli
