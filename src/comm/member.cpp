#include "member.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <system_error>

#include "io_thread.h"
#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/comm/lost_rank.h"
#include "message_sizes.h"

namespace lacuna::comm {

Member::Member(int rank, int size, Link link, const GroupTimes& times)
    : rank_(rank), times_(times), link_(std::move(link)) {
  link_.allow(static_cast<size_t>(size) * kLargestSaid);
  turn_ = next_heartbeat_ = Clock::now();
  thread_ = thread_without_signals([this] { serve(); });
}

Member::~Member() {
  {
    const std::scoped_lock lock(mutex_);
    leaving_ = true;
    send({Kind::kGoodbye, {}});
  }
  thread_.join();
}

void Member::send(Message message) {
  outbox_.push_back(std::move(message));
  wakeup_.ring();
}

std::vector<std::string> Member::exchange(std::string_view what, const std::string& said) {
  const std::string place = str("exchange '", what, "'");
  require(said.size() <= kLargestText, place.c_str(), "more text than a message takes");
  std::unique_lock lock(mutex_);
  if (!is_known()) {
    send(Writing(Kind::kSaid).text(what).text(said).take());
    in_exchange_ = true;
    changed_.wait(lock, [this] { return answer_ || is_known(); });
    go_on();
    in_exchange_ = false;
  }
  if (answer_) {
    std::vector<std::string> answer = std::move(*answer_);
    answer_.reset();
    return answer;
  }
  if (!mismatch_.empty()) throw Error(ErrorKind::kInternal, place, mismatch_);
  throw LostRank(place, who());
}

void Member::watch(std::function<std::string()> where) {
  {
    const std::scoped_lock lock(where_mutex_);
    where_ = std::move(where);
  }
  const std::scoped_lock lock(mutex_);
  watching_ = true;
  wakeup_.ring();
}

void Member::goes_on(std::chrono::seconds patience) {
  patience_.store(patience.count(), std::memory_order_relaxed);
  go_on();
}

void Member::go_on() {
  const std::chrono::seconds patience(patience_.load(std::memory_order_relaxed));
  if (patience.count() == 0) return;
  const Clock::duration deadline = (Clock::now() + patience).time_since_epoch();
  deadline_.store(deadline.count(), std::memory_order_relaxed);
}

void Member::ask_to_stop() {
  if (stop_.exchange(true)) return;
  const std::scoped_lock lock(mutex_);
  send({Kind::kStop, {}});
}

void Member::fail(const std::string& why) noexcept {
  try {
    std::unique_lock lock(mutex_);
    if (at_fault_ || !lost_.empty() || !mismatch_.empty()) return;  // it is no news
    at_fault_ = true;
    send(Writing(Kind::kFailed).text(why.substr(0, kLargestText)).take());
    changed_.wait_for(lock, times_.farewell, [this] { return !lost_.empty(); });
  } catch (...) {  // the others see the connection close
  }
}

std::string Member::who_is_lost() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, times_.word, [this] { return !who().empty(); });
  return who();
}

}  // namespace lacuna::comm
