// Which of the processes that train together this one is, as whoever launched it says.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace lacuna {

struct World {
  int rank = 0, size = 1;              // R ranks, 0 <= rank < R
  int local_rank = 0, local_size = 1;  // among those of this host
  std::string host = "127.0.0.1";      // where rank 0 is met
  uint16_t port = 0;
  std::string launcher;  // who said so, such as "Slurm"; empty: nobody, so this process is alone

  bool alone() const { return size == 1; }
};

/// The value of an environment variable; nothing where it is not set.
using Environment = std::function<const char*(const char* name)>;

/// Reads the variables of lacuna's own launcher and torchrun (RANK, WORLD_SIZE, LOCAL_RANK,
/// LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT), Slurm, Open MPI and PMI. Throws Error(kUsage),
/// naming the variables, where they contradict each other or one is missing or no number.
World world_from(const Environment& variable);

}  // namespace lacuna
