#include "lacuna/base/pacer.h"

#include <chrono>
#include <ctime>
#include <thread>

#include "../catch.h"

using namespace lacuna;

namespace {

// Takes so much processor time, whatever else the machine does.
void work(double seconds) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  for (const double end = now() + seconds; now() < end;) continue;
}

template <class Work>
double seconds_of(const Work& measured) {
  const auto start = std::chrono::steady_clock::now();
  measured();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("a paced thread rests for most of the time, and no longer once somebody waits for it") {
  Pacer pacer;
  double paced = 0, hurried = 0;
  std::thread thread([&] {
    pacer.begin();
    work(0.002);
    paced = seconds_of([&] { pacer.rest(); });
    work(0.2);  // ten seconds of rest, if nobody waited
    hurried = seconds_of([&] {
      pacer.rest();
      work(0.2);
      pacer.rest();
    });
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  pacer.hurry();
  thread.join();
  CHECK(paced >= 49 * 0.002);
  CHECK(hurried < 9);
}
