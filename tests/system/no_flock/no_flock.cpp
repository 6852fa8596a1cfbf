// Loaded before the C library: flock() fails with the error number in LACUNA_FLOCK_ERROR, as on a
// file system that has no locks.
#include <cerrno>
#include <cstdlib>

extern "C" int flock(int, int) {
  errno = std::atoi(std::getenv("LACUNA_FLOCK_ERROR"));
  return -1;
}
