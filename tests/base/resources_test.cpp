#include "lacuna/base/resources.h"

#include <cmath>
#include <cstdlib>

#include "../catch.h"
#include "../temp_folder.h"

using namespace lacuna;

TEST_CASE("The quota of control groups is the least of the group's and of all that hold it") {
  const TempFolder folder;
  folder.put("jobs/cpu.max", "300000 100000\n");
  folder.put("jobs/mine/cpu.max", "max 100000\n");
  CHECK(cpu_quota(folder.path(), "0::/jobs/mine\n") == 3);
  folder.put("jobs/mine/cpu.max", "150000 100000\n");
  CHECK(cpu_quota(folder.path(), "0::/jobs/mine\n") == 1.5);
  CHECK(cpu_quota(folder.path(), "0::/jobs\n") == 3);
  CHECK(cpu_quota(folder.path(), "0::/others\n") == HUGE_VAL);
  CHECK(cpu_quota(folder.path(), "0::/\n") == HUGE_VAL);
  folder.put("cpu.max", "50000 100000\n");  // what a container sees of itself
  CHECK(cpu_quota(folder.path(), "0::/\n") == 0.5);
}

TEST_CASE("The quota of control groups of the first version is read, too") {
  const TempFolder folder;
  const std::string text = "7:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/a\n";
  CHECK(cpu_quota(folder.path(), text) == HUGE_VAL);
  folder.put("cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  folder.put("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  CHECK(cpu_quota(folder.path(), text) == HUGE_VAL);
  folder.put("cpu,cpuacct/a/cpu.cfs_quota_us", "200000\n");
  CHECK(cpu_quota(folder.path(), text) == 2);
  CHECK(cpu_quota(folder.path(), "") == HUGE_VAL);
}

TEST_CASE("A process has memory and threads, and OMP_NUM_THREADS is obeyed") {
  CHECK(free_memory() > (size_t{1} << 20));
  const char* set = std::getenv("OMP_NUM_THREADS");
  const std::string before = set == nullptr ? "" : set;
  unsetenv("OMP_NUM_THREADS");
  const int all = available_threads();
  CHECK(all >= 1);
  setenv("OMP_NUM_THREADS", "3,2", 1);
  CHECK(available_threads() == 3);
  for (const char* nonsense : {"", "0", "-2", "many"}) {
    setenv("OMP_NUM_THREADS", nonsense, 1);
    CHECK(available_threads() == all);
  }
  if (set == nullptr) {
    unsetenv("OMP_NUM_THREADS");
  } else {
    setenv("OMP_NUM_THREADS", before.c_str(), 1);
  }
}
