// What the thread of a rank does.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <system_error>

#include "io_thread.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "member.h"

namespace lacuna::comm {

void Member::serve() {
  while (pass_on()) {
    wait();
    hear();
    look_at_the_clock();
  }
  // A line that is being written is the main thread's to come after.
  if (said_.valid()) said_.wait_for(times_.grace);
}

// Sends what the main thread wants to be sent. False: this rank has left.
bool Member::pass_on() {
  bool leaving = false;
  {
    const std::scoped_lock lock(mutex_);
    for (const Message& message : outbox_) {
      if (link_.is_open()) link_.put(message);
    }
    outbox_.clear();
    leaving = leaving_;
  }
  if (link_.is_open()) link_.send_some();  // whether the peer is there shows when it is heard
  if (!leaving) return true;
  if (!leave_by_) leave_by_ = Clock::now() + times_.farewell;
  return link_.is_open() && Clock::now() < *leave_by_;
}

void Member::wait() {
  Clock::time_point until = next_heartbeat_;
  if (leave_by_) until = std::min(until, *leave_by_);
  if (end_at_) until = std::min(until, *end_at_);
  const Clock::time_point deadline{Clock::duration(deadline_.load(std::memory_order_relaxed))};
  if (deadline > Clock::now()) until = std::min(until, deadline);
  const short more = link_.is_open() && link_.has_unsent() ? POLLOUT : 0;
  pollfd both[] = {{wakeup_.descriptor(), POLLIN, 0},
                   {link_.socket().descriptor(), static_cast<short>(POLLIN | more), 0}};
  poll(both, link_.is_open() ? 2 : 1, poll_timeout(until));
  wakeup_.take();
}

void Member::hear() {
  if (!link_.is_open()) return;
  const bool is_there = link_.receive_some();
  while (const std::optional<Message> message = link_.take()) {
    handle(*message);
  }
  if (is_there || !link_.is_open()) return;
  link_.close();
  if (!leave_by_) {
    learn_of_loss(str("rank 0 is lost: its connection has closed",
                      first_where_.empty() ? "" : "; it was last at " + first_where_));
  }
}

void Member::handle(const Message& message) {
  Reading reading(message);
  if (message.kind == Kind::kHeartbeat) {
    first_where_ = reading.text();
  } else if (message.kind == Kind::kStop) {
    stop_ = true;
  } else if (message.kind == Kind::kLost) {
    reading.number();
    learn_of_loss(reading.text());
  } else if (message.kind == Kind::kGoodbye) {
    link_.close();
  } else {
    const std::scoped_lock lock(mutex_);
    if (message.kind == Kind::kAll) {
      std::vector<std::string> texts;
      while (!reading.done()) texts.push_back(reading.text());
      answer_ = std::move(texts);
    } else if (message.kind == Kind::kMismatch) {
      mismatch_ = reading.text();
    } else if (message.kind == Kind::kEnded && !is_known()) {
      // What is lost later may be so because of that, and the other way round.
      ended_ = str("rank ", reading.number(), " has ended");
    }
    changed_.notify_all();
  }
}

void Member::look_at_the_clock() {
  const Clock::time_point now = Clock::now();
  // While this process was stopped, neither rank 0 nor the main thread is to blame.
  if (now - turn_ > 3 * times_.heartbeat) {
    link_.forgive(now - turn_);
    if (deadline_ != 0) deadline_ += (now - turn_).count();
  }
  turn_ = now;
  if (link_.is_open() && now - link_.heard() >= times_.silence) {
    learn_of_loss(str("rank 0 is lost: nothing has come from it for ",
                      std::chrono::duration<double>(times_.silence).count(), " s",
                      first_where_.empty() ? "" : "; it was last at " + first_where_));
  }
  look_at_the_main_thread(now);
  end_with_the_lost(now);
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + times_.heartbeat;
  if (link_.is_open()) link_.put(Writing(Kind::kHeartbeat).text(where()).take());
}

void Member::look_at_the_main_thread(Clock::time_point now) {
  const Clock::duration deadline(deadline_.load(std::memory_order_relaxed));
  if (overdue_ || leave_by_ || in_exchange_ || deadline.count() == 0 || !link_.is_open() ||
      now.time_since_epoch() < deadline) {
    return;
  }
  overdue_ = true;
  link_.put(Writing(Kind::kOverdue).text(where()).number(patience_).take());
}

void Member::learn_of_loss(const std::string& story) {
  const std::scoped_lock lock(mutex_);
  if (lost_.empty()) lost_ = story;
  whole_ = false;
  changed_.notify_all();
}

void Member::end_with_the_lost(Clock::time_point now) {
  if (end_at_) {
    if (now >= *end_at_ && !leave_by_) _exit(1);
    return;
  }
  std::string story;
  {
    const std::scoped_lock lock(mutex_);
    if (lost_.empty() || !watching_ || at_fault_ || leaving_) return;
    story = lost_;
  }
  end_at_ = now + times_.grace;
  const std::string here = where();
  say(str("rank ", rank_, ": ", story,
          here.empty() ? "" : str("; rank ", rank_, " was at ", here)));
}

// By a thread of its own: the main thread may hold the log, and hang.
void Member::say(const std::string& line) {
  const auto done = std::make_shared<std::promise<void>>();
  said_ = done->get_future();
  try {
    std::thread([line, done] {
      log_warning(line);
      done->set_value();
    }).detach();
  } catch (const std::system_error&) {
    log_warning(line);
    done->set_value();
  }
}

std::string Member::where() {
  const std::scoped_lock lock(where_mutex_);
  return where_ ? where_() : "";
}

}  // namespace lacuna::comm
