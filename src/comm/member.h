// A rank as it talks to rank 0: its main thread asks, a thread of its own does the talking and ends
// the process when another rank is lost and the main thread does not.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lacuna/comm/group.h"
#include "link.h"

namespace lacuna::comm {

class Member {
 public:
  Member(int rank, int size, Link link, const GroupTimes& times);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  // As the Group says.
  std::vector<std::string> exchange(std::string_view what, const std::string& said);
  void watch(std::function<std::string()> where);
  void goes_on(std::chrono::seconds patience);
  void ask_to_stop();
  bool stop_asked() const { return stop_; }
  void fail(const std::string& why) noexcept;
  bool is_whole() const { return whole_; }
  std::string who_is_lost();

 private:
  using Ticks = Clock::duration::rep;

  // Of the main thread, under the lock.
  void send(Message message);
  void go_on();
  const std::string& who() const { return ended_.empty() ? lost_ : ended_; }
  bool is_known() const { return !lost_.empty() || !mismatch_.empty() || !ended_.empty(); }

  // Of the thread.
  void serve();
  bool pass_on();
  void wait();
  void hear();
  void handle(const Message& message);
  void look_at_the_clock();
  void look_at_the_main_thread(Clock::time_point now);
  void learn_of_loss(const std::string& story);
  void end_with_the_lost(Clock::time_point now);
  void say(const std::string& line);
  std::string where();

  const int rank_;
  const GroupTimes times_;

  std::mutex mutex_;  // of these
  std::condition_variable changed_;
  std::vector<Message> outbox_;
  std::optional<std::vector<std::string>> answer_;
  std::string lost_, mismatch_, ended_;  // the story, when there is one
  bool at_fault_ = false;                // this rank has failed itself, and says so itself
  bool watching_ = false, leaving_ = false;

  std::mutex where_mutex_;  // held while it is asked
  std::function<std::string()> where_;

  std::atomic<bool> stop_ = false, in_exchange_ = false, whole_ = true;
  std::atomic<int64_t> patience_ = 0;  // seconds; 0: not yet named
  std::atomic<Ticks> deadline_ = 0;    // for the main thread to go on

  // Of the thread alone.
  Link link_;
  std::string first_where_;  // of rank 0
  Clock::time_point turn_, next_heartbeat_;
  bool overdue_ = false;
  std::optional<Clock::time_point> leave_by_, end_at_;
  std::future<void> said_;

  Wakeup wakeup_;
  std::thread thread_;
};

}  // namespace lacuna::comm
