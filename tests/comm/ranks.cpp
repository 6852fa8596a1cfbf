#include "ranks.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <thread>

using namespace lacuna;

uint16_t free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (bind(descriptor, any, size) != 0 || getsockname(descriptor, any, &size) != 0) return 0;
  close(descriptor);
  return ntohs(address.sin_port);
}

World world_of(int rank, int size, uint16_t port) {
  World world;
  world.rank = world.local_rank = rank;
  world.size = world.local_size = size;
  world.port = port;
  world.launcher = "test";
  return world;
}

GroupTimes short_times() {
  using std::chrono::milliseconds;
  GroupTimes times;
  times.heartbeat = milliseconds(40);
  times.silence = milliseconds(2500);
  times.gathering = milliseconds(400);
  times.grace = milliseconds(200);
  times.word = milliseconds(3000);
  times.farewell = milliseconds(1000);
  return times;
}

std::vector<std::string> run_ranks(int size, const std::function<void(Group&)>& work) {
  const uint16_t port = free_port();
  std::vector<std::string> thrown(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Group group(world_of(rank, size, port), std::chrono::seconds(20), short_times());
        work(group);
      } catch (const std::exception& error) {
        thrown[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return thrown;
}
