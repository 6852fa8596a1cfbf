#include "launcher.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "signals.h"

extern char** environ;

namespace lacuna::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kLauncher = "LACUNA_LAUNCHER";  // the process number of ours
// For the others once one has failed: to say why, and rank 0 to write the checkpoint under way;
// then to end when they are asked to.
constexpr std::chrono::seconds kToSayWhy(4), kToSave(16), kToEnd(2);
constexpr std::chrono::milliseconds kLook(20);
constexpr int kMistake = 2;  // of the command line, the configuration or the data

// One that nobody listens on at this moment.
uint16_t free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const place = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      bind(descriptor, place, size) == 0 && getsockname(descriptor, place, &size) == 0;
  const int failure = errno;
  close(descriptor);
  if (found) return ntohs(address.sin_port);
  throw Error(ErrorKind::kIo, "the loopback interface",
              str("no port can be had: ", std::strerror(failure)));
}

Arguments own_arguments() {
  const std::string all = read_text("/proc/self/cmdline");
  std::vector<std::string> arguments;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find('\0', begin), all.size());
    arguments.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  return arguments;
}

std::vector<std::string> environment_of(int rank, int processes, uint16_t port) {
  const std::vector<std::pair<std::string, std::string>> own{
      {kLauncher, std::to_string(getpid())},
      {"RANK", std::to_string(rank)},
      {"WORLD_SIZE", std::to_string(processes)},
      {"LOCAL_RANK", std::to_string(rank)},
      {"LOCAL_WORLD_SIZE", std::to_string(processes)},
      {"MASTER_ADDR", "127.0.0.1"},
      {"MASTER_PORT", std::to_string(port)}};
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string name = std::string(*entry).substr(0, std::string(*entry).find('='));
    const bool replaced = std::any_of(own.begin(), own.end(),
                                      [&](const auto& variable) { return variable.first == name; });
    if (!replaced) variables.emplace_back(*entry);
  }
  for (const auto& [name, value] : own) variables.push_back(name + "=" + value);
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In a process group of its own. The signals that are blocked here stay so until it watches them
// itself: one that comes before that is not lost and kills nobody.
pid_t start(std::vector<std::string> arguments, std::vector<std::string> variables) {
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  posix_spawnattr_setpgroup(&how, 0);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int failure = posix_spawn(&child, "/proc/self/exe", nullptr, &how,
                                  pointers_to(arguments).data(), pointers_to(variables).data());
  posix_spawnattr_destroy(&how);
  if (failure == 0) return child;
  throw Error(ErrorKind::kIo, "lacuna", str("cannot be started again: ", std::strerror(failure)));
}

// The processes of one attempt.
class Children {
 public:
  Children(const std::vector<std::string>& arguments, int processes) {
    const uint16_t port = free_port();
    for (int rank = 0; rank < processes; ++rank) {
      ranks_.push_back(start(arguments, environment_of(rank, processes, port)));
    }
    left_ = processes;
  }

  // 0, or the exit code of one that failed: of the first, unless one has found a mistake.
  int wait(const Stop& stop) {
    bool asked = false;
    while (left_ > 0) {
      collect();
      if (!asked && stop()) {
        asked = true;
        tell(SIGTERM);
      }
      if (code_ != 0) end_soon();
      std::this_thread::sleep_for(kLook);
    }
    return code_;
  }

 private:
  void collect() {
    int status = 0;
    for (pid_t child = 0; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto place = std::find(ranks_.begin(), ranks_.end(), child);
      if (place == ranks_.end()) continue;
      *place = 0;
      --left_;
      const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      if (WIFSIGNALED(status)) {
        log_warning(str("rank ", place - ranks_.begin(), " was ended by signal ", WTERMSIG(status),
                        " (", strsignal(WTERMSIG(status)), ")"));
      }
      if (code == 0) continue;
      if (code_ == 0) failed_ = Clock::now();
      if (code_ == 0 || code == kMistake) code_ = code;
    }
  }
  void tell(int signal) const {
    for (const pid_t child : ranks_) {
      if (child != 0) kill(child, signal);
    }
  }
  void end_soon() {
    const auto since = Clock::now() - failed_;
    const auto patience = ranks_.front() != 0 ? kToSave : kToSayWhy;
    if (since > patience && told_ == 0) tell(told_ = SIGTERM);
    if (since > patience + kToEnd && told_ != SIGKILL) tell(told_ = SIGKILL);
  }

  std::vector<pid_t> ranks_;  // 0: has ended
  int left_ = 0, code_ = 0, told_ = 0;
  Clock::time_point failed_;
};

}  // namespace

void launch_processes(const LaunchRequest& request, const Stop& stop) {
  Arguments first = own_arguments();
  first.insert(first.end(), request.also.begin(), request.also.end());
  Arguments arguments = first;
  for (int left = request.restarts;; --left) {
    const int code = Children(arguments, request.processes).wait(stop);
    if (code == 0) return;
    if (left <= 0 || code == kMistake || stop()) throw EndedWith{code};
    log_warning(
        str("the run has failed and is started again; that may happen ", left - 1, " more times"));
    arguments = request.arguments_of_restart(first);
  }
}

bool is_launched_by_us() {
  return std::getenv(kLauncher) != nullptr;
}

void follow_launcher() {
  if (!is_launched_by_us()) return;
  leave_acknowledging_to_others();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (std::to_string(getppid()) != std::getenv(kLauncher))
    kill(getpid(), SIGTERM);  // it has died before that
}

}  // namespace lacuna::cli
