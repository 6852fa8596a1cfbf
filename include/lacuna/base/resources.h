// What of the machine this process may use.
#pragma once

#include <cstddef>
#include <string>

namespace lacuna {

/// OMP_NUM_THREADS where it is set, as in every program with OpenMP; otherwise the CPUs that the
/// process may run on, or fewer where the quota of a container grants less time. At least 1.
/// With `sharing`: of so many processes one's share of the CPUs.
int available_threads(int sharing = 1);
/// Whether this process is bound to so few CPUs that each of `processes` may have its own.
bool has_own_cpus(int processes);

/// The CPU time per time that control groups grant, such as 1.5; infinite without a limit. Reads
/// cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us) below `mount`, usually "/sys/fs/cgroup", of the
/// groups that `membership`, the text of /proc/self/cgroup, names and of all that hold them.
double cpu_quota(const std::string& mount, const std::string& membership);

/// Bytes that the process can still get: what the machine has free, swap included, or less where a
/// container or `ulimit -v` bounds it. The largest number where the system tells nothing.
size_t free_memory();

}  // namespace lacuna
