#include "lacuna/base/resources.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "lacuna/base/text.h"

namespace lacuna {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

// What /proc/self/cgroup says: a line "number:controllers:/path" for each hierarchy.
std::string own_groups() {
  std::ostringstream text;
  text << std::ifstream("/proc/self/cgroup").rdbuf();
  return text.str();
}

// Calls visit(folder) for the process's group with this controller and all groups that hold it.
template <class Visit>
void for_groups(const std::string& mount, const std::string& membership, const std::string& wanted,
                const Visit& visit) {
  for (const std::string& line : split(membership, '\n')) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::vector<std::string> names = split(controllers, ',');
    const bool has = std::find(names.begin(), names.end(), wanted) != names.end();
    if (!controllers.empty() && !has) continue;  // v2 names none: it has them all
    std::string group = line.substr(second + 1);
    while (true) {
      visit((controllers.empty() ? mount : mount + "/" + controllers) + group);
      const size_t slash = group.rfind('/');
      if (slash == std::string::npos) break;
      group.resize(slash);
    }
  }
}

double number_in(const std::string& file, double otherwise) {
  double number = 0;
  return std::ifstream(file) >> number ? number : otherwise;  // also for the word "max"
}

// The number that OMP_NUM_THREADS begins with: it may be a list, one number a level. 0: none.
int wanted_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr) return 0;
  const long number = std::strtol(text, nullptr, 10);
  return number > 0 && number < (1 << 16) ? static_cast<int>(number) : 0;
}

// "QUOTA PERIOD" in one file of v2, or the two in two files of v1; "max" and -1: no limit.
double quota_in(const std::string& folder) {
  double quota = 0, period = 0;
  if (!(std::ifstream(folder + "/cpu.max") >> quota >> period)) {
    quota = number_in(folder + "/cpu.cfs_quota_us", 0);
    period = number_in(folder + "/cpu.cfs_period_us", 0);
  }
  return quota > 0 && period > 0 ? quota / period : kUnlimited;
}

// Copies of files in memory, which the system gives up when it wants to.
double cache_in(const std::string& folder) {
  std::ifstream lines(folder + "/memory.stat");
  double sum = 0, value = 0;
  for (std::string name; lines >> name >> value;) {
    if (name == "active_file" || name == "inactive_file") sum += value;
  }
  return sum;
}

// What the groups leave of their limits.
double memory_of_groups(const std::string& mount, const std::string& membership) {
  double least = kUnlimited;
  for_groups(mount, membership, "memory", [&](const std::string& folder) {
    for (const auto& [limit, used] :
         {std::pair{"/memory.max", "/memory.current"},
          std::pair{"/memory.limit_in_bytes", "/memory.usage_in_bytes"}}) {
      least = std::min(least, number_in(folder + limit, kUnlimited) - number_in(folder + used, 0) +
                                  cache_in(folder));
    }
  });
  return least;
}

double memory_of_machine() {
  std::ifstream lines("/proc/meminfo");
  double kilobytes = 0;
  bool told = false;
  for (std::string name, line; lines >> name; std::getline(lines, line)) {
    double value = 0;
    if (name != "MemAvailable:" && name != "SwapFree:") continue;
    if (!(lines >> value)) break;
    kilobytes += value;
    told = told || name == "MemAvailable:";
  }
  return told ? 1024 * kilobytes : kUnlimited;
}

double memory_of_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const double pages = number_in("/proc/self/statm", 0);
  return static_cast<double>(limit.rlim_cur) - pages * static_cast<double>(sysconf(_SC_PAGE_SIZE));
}

}  // namespace

double cpu_quota(const std::string& mount, const std::string& membership) {
  double least = kUnlimited;
  for_groups(mount, membership, "cpu",
             [&](const std::string& folder) { least = std::min(least, quota_in(folder)); });
  return least;
}

namespace {

int cpus_of_machine() {
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

int cpus_of_process() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : cpus_of_machine();
}

}  // namespace

int available_threads(int sharing) {
  if (const int wanted = wanted_threads(); wanted > 0) return wanted;
  const double quota = std::floor(cpu_quota("/sys/fs/cgroup", own_groups()));
  return std::max(1, static_cast<int>(std::min<double>(cpus_of_process(), quota)) / sharing);
}

bool has_own_cpus(int processes) {
  const int own = cpus_of_process(), all = cpus_of_machine();
  return own < all && static_cast<int64_t>(own) * processes <= all;
}

size_t free_memory() {
  const double least = std::min(
      {memory_of_machine(), memory_of_limit(), memory_of_groups("/sys/fs/cgroup", own_groups())});
  if (least < 0) return 0;
  return least < 0x1p63 ? static_cast<size_t>(least) : std::numeric_limits<size_t>::max();
}

}  // namespace lacuna
