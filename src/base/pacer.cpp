#include "lacuna/base/pacer.h"

#include <chrono>
#include <ctime>

namespace lacuna {
namespace {

constexpr double kRest = 49;  // times the work before it

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

void Pacer::begin() {
  worked_ = processor_seconds();
}

void Pacer::rest() {
  const std::chrono::duration<double> pause(kRest * (processor_seconds() - worked_));
  std::unique_lock lock(mutex_);
  hurried_.wait_for(lock, pause, [this] { return in_a_hurry_; });
  worked_ = processor_seconds();
}

void Pacer::hurry() {
  const std::lock_guard lock(mutex_);
  in_a_hurry_ = true;
  hurried_.notify_all();
}

}  // namespace lacuna
