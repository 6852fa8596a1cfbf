// What this binary is and what it runs on, for people who look at results later.
#pragma once

#include <cstdint>
#include <string>

namespace lacuna {

struct BuildFacts {
  std::string version;       // "0.1.0"
  std::string build;         // "Release"
  std::string compiler;      // "GNU 12.2.0"
  std::string cpu_code;      // -march of the CPU code
  std::string cuda_toolkit;  // empty: built without CUDA
};
BuildFacts build_facts();

struct MachineFacts {
  std::string system;        // kernel and its release
  std::string processor;     // its name; empty where the system does not tell
  int64_t memory_bytes = 0;  // of the machine
};
MachineFacts machine_facts();

}  // namespace lacuna
