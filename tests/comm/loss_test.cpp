// Ranks that are processes, since the end of a lost one's companions is theirs as a whole.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "../catch.h"
#include "lacuna/base/text.h"
#include "lacuna/comm/group.h"
#include "lacuna/comm/lost_rank.h"
#include "ranks.h"

using namespace lacuna;

namespace {

constexpr int kUnwound = 3;  // how a rank ends whose main thread has heard of the loss

// Ranks 0 to `size` - 1, each at "step RANK", which a byte of each tells to have met.
class Processes {
 public:
  Processes(int size, const std::function<void(Group&)>& work) {
    const uint16_t port = free_port();
    int met[2];
    REQUIRE(pipe(met) == 0);
    for (int rank = 0; rank < size; ++rank) {
      int said[2];
      REQUIRE(pipe(said) == 0);
      const pid_t child = fork();
      if (child == 0) {
        dup2(said[1], STDERR_FILENO);
        run(world_of(rank, size, port), met[1], work);
      }
      close(said[1]);
      children_.push_back({child, said[0]});
    }
    close(met[1]);
    for (int rank = 0; rank < size; ++rank) {
      char byte = 0;
      REQUIRE(read(met[0], &byte, 1) == 1);
    }
    close(met[0]);
  }
  ~Processes() {
    for (const Child& child : children_) {
      if (child.process != 0) kill(child.process, SIGKILL);
      if (child.process != 0) waitpid(child.process, nullptr, 0);
      close(child.said);
    }
  }
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  void signal_to(size_t rank, int signal) { kill(children_[rank].process, signal); }
  /// How a rank ends.
  int exit_code(size_t rank) {
    int status = 0;
    waitpid(children_[rank].process, &status, 0);
    children_[rank].process = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  /// All that a rank has said, once it has ended.
  std::string said(size_t rank) {
    std::string text;
    char bytes[1000];
    ssize_t got = 0;
    while ((got = read(children_[rank].said, bytes, sizeof bytes)) > 0) {
      text.append(bytes, static_cast<size_t>(got));
    }
    return text;
  }

 private:
  struct Child {
    pid_t process;
    int said;
  };

  [[noreturn]] static void run(const World& world, int met,
                               const std::function<void(Group&)>& work) {
    int code = 0;
    try {
      Group group(world, std::chrono::seconds(20), short_times());
      group.watch([&] { return str("step ", world.rank); });
      group.exchange("met", "");
      [[maybe_unused]] const ssize_t told = write(met, "", 1);
      work(group);
    } catch (const LostRank&) {
      code = kUnwound;
    } catch (const std::exception&) {
      code = 4;
    }
    _exit(code);
  }

  std::vector<Child> children_;
};

void let_them_tell_where() {
  std::this_thread::sleep_for(5 * short_times().heartbeat);
}

void hang(Group&) {
  for (;;) pause();
}

// One line, from which the tests of each kind take what they know.
void check_line(const std::string& text, const std::string& wanted) {
  INFO(text);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.find(wanted) != std::string::npos);
}

// How ranks but `lost` end, who themselves hang, and what they say.
void check_others_end(Processes& ranks, size_t size, size_t lost, const std::string& story) {
  for (size_t rank = 0; rank < size; ++rank) {
    if (rank == lost) continue;
    CHECK(ranks.exit_code(rank) == 1);
    const std::string text = ranks.said(rank);
    check_line(text, str("rank ", rank, ": rank ", lost, story));
    check_line(text, str("; rank ", rank, " was at step ", rank, "\n"));
  }
}

}  // namespace

TEST_CASE("when a rank is killed, each other one says so and ends, whatever it is at") {
  Processes ranks(3, hang);
  let_them_tell_where();
  ranks.signal_to(1, SIGKILL);
  check_others_end(ranks, 3, 1, " is lost: its connection has closed; it was last at step 1");
}

TEST_CASE("when rank 0 is killed, each other one says so and ends") {
  Processes ranks(3, hang);
  ranks.signal_to(0, SIGKILL);
  check_others_end(ranks, 3, 0, " is lost: its connection has closed");
}

TEST_CASE("when a rank is stopped, each other one says so and ends, also when it is rank 0") {
  Processes ranks(3, hang), others(3, hang);
  let_them_tell_where();
  ranks.signal_to(2, SIGSTOP);
  others.signal_to(0, SIGSTOP);
  const std::string silent = " is lost: nothing has come from it for 2.5 s; it was last at step ";
  check_others_end(ranks, 3, 2, silent + "2");
  check_others_end(others, 3, 0, silent + "0");
  // Once it runs again it learns of it, and that it was not missed for nothing.
  ranks.signal_to(2, SIGCONT);
  CHECK(ranks.exit_code(2) == 1);
}

TEST_CASE("when ranks do not go on within the patience they named, all say so and end") {
  const auto hang_with_patience = [](Group& group, bool short_of_it) {
    group.goes_on(std::chrono::seconds(short_of_it ? 1 : 100));
    hang(group);
  };
  Processes one(3, [&](Group& group) { hang_with_patience(group, group.rank() == 1); });
  Processes two(3, [&](Group& group) { hang_with_patience(group, group.rank() != 1); });
  check_others_end(one, 3, 1, " is lost: it has not gone on for 1 s; it was last at step 1");
  CHECK(one.exit_code(1) == 1);
  check_line(one.said(1), "rank 1: rank 1 is lost: it has not gone on for 1 s");
  CHECK(two.exit_code(1) == 1);
  check_line(two.said(1),
             "ranks 0, 2 are lost: they have not gone on, rank 0 for 1 s, last at "
             "step 0; rank 2 for 1 s, last at step 2; rank 1 was at step 1");
}

TEST_CASE("who waits in an exchange is not overdue, nor is who goes on in time") {
  Processes ranks(2, [](Group& group) {
    if (group.rank() == 0) {
      group.goes_on(std::chrono::seconds(1));
      group.exchange("late", "");
    } else {
      for (int turn = 0; turn < 14; ++turn) {
        group.goes_on(std::chrono::seconds(1));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      group.exchange("late", "");
    }
  });
  CHECK(ranks.exit_code(0) == 0);
  CHECK(ranks.exit_code(1) == 0);
  CHECK(ranks.said(0) == "");
}

TEST_CASE("a main thread that hears of a loss ends as it likes") {
  Processes ranks(3, [](Group& group) {
    if (group.rank() == 2) hang(group);
    group.exchange("never", "");
  });
  ranks.signal_to(2, SIGKILL);
  CHECK(ranks.exit_code(0) == kUnwound);
  CHECK(ranks.exit_code(1) == kUnwound);
}

TEST_CASE("when a rank fails, the others say why, and it ends as it likes") {
  Processes ranks(3, [](Group& group) {
    if (group.rank() != 1) hang(group);
    group.fail("the disk is full");
    throw std::runtime_error("the disk is full");
  });
  check_others_end(ranks, 3, 1, " has failed: the disk is full");
  CHECK(ranks.exit_code(1) == 4);
  CHECK(ranks.said(1) == "");
}
