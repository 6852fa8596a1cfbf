#include "lacuna/base/facts.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "lacuna/base/text.h"

namespace lacuna {

BuildFacts build_facts() {
  BuildFacts facts{LACUNA_VERSION, LACUNA_BUILD, LACUNA_COMPILER, LACUNA_CPU_ARCH, ""};
#ifdef LACUNA_CUDA_TOOLKIT
  facts.cuda_toolkit = LACUNA_CUDA_TOOLKIT;
#endif
  return facts;
}

MachineFacts machine_facts() {
  MachineFacts facts;
  utsname system{};
  if (uname(&system) == 0) {
    facts.system = str(system.sysname, ' ', system.release, ' ', system.machine);
  }
  std::ifstream processors("/proc/cpuinfo");
  for (std::string line; std::getline(processors, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with("model name")) continue;
    facts.processor = trimmed(std::string_view(line).substr(colon + 1));
    break;
  }
  facts.memory_bytes = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGE_SIZE);
  return facts;
}

}  // namespace lacuna
