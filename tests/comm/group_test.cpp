#include "lacuna/comm/group.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "../catch.h"
#include "../expect_error.h"
#include "ranks.h"

using namespace lacuna;
using std::chrono::seconds;

namespace {

void check_nothing_thrown(const std::vector<std::string>& thrown) {
  for (const std::string& text : thrown) CHECK(text == "");
}

// A connection of somebody who is no rank.
class Stranger {
 public:
  explicit Stranger(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* any = reinterpret_cast<const sockaddr*>(&address);
    while (connect(socket_, any, sizeof address) != 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  ~Stranger() { close(socket_); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  void say(const std::string& bytes) {
    [[maybe_unused]] const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  /// Waits until the other side has closed.
  bool is_turned_away() {
    char byte = 0;
    ssize_t got = 0;
    while ((got = recv(socket_, &byte, 1, 0)) > 0) continue;
    return true;
  }

 private:
  int socket_;
};

// A listener that never answers.
class Listener {
 public:
  Listener() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(socket_, any, size) == 0);
    REQUIRE(listen(socket_, 5) == 0);
    REQUIRE(getsockname(socket_, any, &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const { return port_; }

 private:
  int socket_;
  uint16_t port_ = 0;
};

std::future<void> rank_alone(const World& world, seconds patience) {
  return std::async(std::launch::async, [=] { const Group group(world, patience, short_times()); });
}

}  // namespace

TEST_CASE("a group of one says everything to itself") {
  Group group;
  CHECK(group.exchange("names", "me") == std::vector<std::string>{"me"});
  CHECK(group.from_first("name", "me") == "me");
  CHECK(group.any("stop", true));
  CHECK_FALSE(group.any("stop", false));
  CHECK_FALSE(group.stop_asked());
  group.ask_to_stop();
  CHECK(group.stop_asked());
  CHECK(group.who_is_lost().empty());
}

TEST_CASE("an exchange tells all ranks what each has said, in the order of ranks") {
  for (const int size : {1, 2, 4, 7}) {
    check_nothing_thrown(run_ranks(size, [size](Group& group) {
      for (int turn = 0; turn < 20; ++turn) {
        const std::vector<std::string> all =
            group.exchange("numbers", std::string(static_cast<size_t>(group.rank()) * 3000, 'a') +
                                          std::to_string(group.rank() + turn));
        if (all.size() != static_cast<size_t>(size)) throw std::runtime_error("wrong size");
        for (int rank = 0; rank < size; ++rank) {
          if (all[static_cast<size_t>(rank)] !=
              std::string(static_cast<size_t>(rank) * 3000, 'a') + std::to_string(rank + turn)) {
            throw std::runtime_error("wrong text");
          }
        }
      }
    }));
  }
}

TEST_CASE("what rank 0 says reaches all, and one that says yes is heard by all") {
  check_nothing_thrown(run_ranks(3, [](Group& group) {
    const std::string large(size_t{3} << 20, 'x');
    if (group.from_first("large", group.is_first() ? large : "not this") != large) {
      throw std::runtime_error("not what rank 0 says");
    }
    if (!group.any("yes", group.rank() == 1)) throw std::runtime_error("not heard");
    if (group.any("no", false)) throw std::runtime_error("nobody said so");
  }));
}

TEST_CASE("ranks at different exchanges all learn the names of both") {
  const std::vector<std::string> thrown = run_ranks(
      3, [](Group& group) { group.exchange(group.rank() == 1 ? "data" : "options", ""); });
  for (const std::string& text : thrown) {
    INFO(text);
    CHECK(text.find("'data'") != std::string::npos);
    CHECK(text.find("'options'") != std::string::npos);
  }
}

TEST_CASE("one rank that asks to stop stops them all") {
  check_nothing_thrown(run_ranks(3, [](Group& group) {
    if (group.rank() == 2) group.ask_to_stop();
    while (!group.stop_asked()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    group.exchange("end", "");
  }));
}

TEST_CASE("strangers at the port are turned away and do no harm") {
  const uint16_t port = free_port();
  std::future<void> first = rank_alone(world_of(0, 2, port), seconds(20));
  Stranger silent(port), browser(port), random(port), gone(port);
  browser.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  random.say(std::string(10'000, '\0'));
  CHECK(browser.is_turned_away());
  CHECK(random.is_turned_away());
  // The others are still being waited for.
  expect_error(ErrorKind::kConfig, "one of 3 ranks, but rank 0 is one of 2",
               [&] { rank_alone(world_of(1, 3, port), seconds(20)).get(); });
  rank_alone(world_of(1, 2, port), seconds(20)).get();
  first.get();
}

TEST_CASE("a rank that comes twice is turned away") {
  const uint16_t port = free_port();
  std::future<void> first = rank_alone(world_of(0, 3, port), seconds(20));
  std::future<void> one = rank_alone(world_of(1, 3, port), seconds(20));
  std::future<void> other = rank_alone(world_of(1, 3, port), seconds(20));
  // Whichever of the two came second has been sent away by now.
  while (one.wait_for(seconds(0)) != std::future_status::ready &&
         other.wait_for(seconds(0)) != std::future_status::ready) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (one.wait_for(seconds(0)) != std::future_status::ready) std::swap(one, other);
  expect_error(ErrorKind::kConfig, "rank 1 has come already", [&] { one.get(); });
  rank_alone(world_of(2, 3, port), seconds(20)).get();
  first.get();
  other.get();
}

TEST_CASE("a port that is taken is named") {
  const Listener other;
  expect_error(ErrorKind::kConfig, "port " + std::to_string(other.port()),
               [&] { rank_alone(world_of(0, 2, other.port()), seconds(5)).get(); });
}

TEST_CASE("ranks that do not come are named to all that have") {
  const uint16_t port = free_port();
  std::future<void> second = rank_alone(world_of(2, 4, port), seconds(20));
  expect_error(ErrorKind::kConfig, "ranks 1, 3 of 4 have not come within 1 s",
               [&] { rank_alone(world_of(0, 4, port), seconds(1)).get(); });
  expect_error(ErrorKind::kConfig, "ranks 1, 3 of 4 have not come within 1 s",
               [&] { second.get(); });
}

TEST_CASE("a rank that finds nobody, or somebody else, at rank 0's port says so") {
  const Listener other;
  std::future<void> with_nobody = rank_alone(world_of(1, 2, free_port()), seconds(1));
  std::future<void> with_other = rank_alone(world_of(1, 2, other.port()), seconds(1));
  expect_error(ErrorKind::kConfig, "rank 1 has not met rank 0 there within 1 s",
               [&] { with_nobody.get(); });
  expect_error(ErrorKind::kConfig, "what listens there is not rank 0 of this run",
               [&] { with_other.get(); });
}

TEST_CASE("a rank that ends in order is missed only by those that wait for it") {
  check_nothing_thrown(run_ranks(3, [](Group& group) {
    group.watch([] { return "somewhere"; });
    if (group.rank() == 1) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // more than the grace
  }));
  const std::vector<std::string> thrown = run_ranks(3, [](Group& group) {
    if (group.rank() != 1) group.exchange("more", "");
  });
  CHECK(thrown[0].find("rank 1 has ended") != std::string::npos);
  CHECK(thrown[1] == "");
  CHECK(thrown[2].find("rank 1 has ended") != std::string::npos);
}

TEST_CASE("a rank that an exception ends has failed") {
  const std::vector<std::string> thrown = run_ranks(3, [](Group& group) {
    if (group.rank() == 2) throw std::runtime_error("out of luck");
    group.exchange("more", "");
  });
  CHECK(thrown[0].find("rank 2 has failed: it ends with an error") != std::string::npos);
  CHECK(thrown[1].find("rank 2 has failed") != std::string::npos);
  CHECK(thrown[2] == "out of luck");
}

TEST_CASE("why a rank fails is told to the others, and who is lost can be asked") {
  const std::vector<std::string> thrown = run_ranks(3, [](Group& group) {
    if (group.rank() == 0) return group.fail("the disk is full");
    const std::string who = group.who_is_lost();
    if (who != "rank 0 has failed: the disk is full") throw std::runtime_error(who);
    if (group.is_whole()) throw std::runtime_error("is_whole() does not know of it");
  });
  check_nothing_thrown(thrown);
  check_nothing_thrown(run_ranks(2, [](Group& group) {
    if (!group.who_is_lost().empty()) throw std::runtime_error("nobody is lost");
    group.exchange("end", "");
  }));
}
