#include "switchboard.h"

#include <poll.h>

#include <algorithm>

#include "io_thread.h"
#include "lacuna/base/text.h"
#include "message_sizes.h"

namespace lacuna::comm {
namespace {

std::string last_at(const std::string& where) {
  return where.empty() ? "" : "; it was last at " + where;
}

}  // namespace

Switchboard::Switchboard(std::vector<Link> links, const GroupTimes& times)
    : times_(times), seats_(links.size()) {
  turn_ = next_heartbeat_ = Clock::now();
  for (size_t rank = 0; rank < links.size(); ++rank) {
    seats_[rank].link = std::move(links[rank]);
    seats_[rank].link.allow(kLargestSaid);
  }
  thread_ = thread_without_signals([this] { serve(); });
}

Switchboard::~Switchboard() {
  thread_.join();
}

void Switchboard::serve() {
  while (!is_over()) {
    wait();
    for (size_t rank = 0; rank < seats_.size(); ++rank) hear(rank);
    look_at_the_clock();
    send_all();
  }
}

bool Switchboard::is_over() const {
  if (!closing_) return false;
  return Clock::now() >= *closing_ ||
         std::none_of(seats_.begin(), seats_.end(),
                      [](const Seat& seat) { return seat.link.is_open(); });
}

void Switchboard::wait() {
  std::vector<pollfd> all;
  for (const Seat& seat : seats_) {
    if (!seat.link.is_open()) continue;
    const short more = seat.link.has_unsent() ? POLLOUT : 0;
    all.push_back({seat.link.socket().descriptor(), static_cast<short>(POLLIN | more), 0});
  }
  Clock::time_point until = next_heartbeat_;
  if (judgment_) until = std::min(until, *judgment_);
  if (closing_) until = std::min(until, *closing_);
  poll(all.data(), all.size(), poll_timeout(until));
}

void Switchboard::hear(size_t rank) {
  Seat& seat = seats_[rank];
  if (!seat.link.is_open()) return;
  const bool is_there = seat.link.receive_some();
  while (const std::optional<Message> message = seat.link.take()) {
    handle(rank, *message);
  }
  if (is_there) return;
  seat.link.close();
  if (rank == 0) closing_ = Clock::now();  // without a word, as when it could not begin
  if (!seat.ended) {
    lose(rank, str("rank ", rank, " is lost: its connection has closed", last_at(seat.where)));
  }
}

void Switchboard::handle(size_t rank, const Message& message) {
  Seat& seat = seats_[rank];
  Reading reading(message);
  switch (message.kind) {
    case Kind::kHeartbeat:
      seat.where = reading.text();
      break;
    case Kind::kSaid:
      seat.what = reading.text();
      seat.said = reading.text();
      gather();
      break;
    case Kind::kOverdue:
      seat.where = reading.text();
      seat.overdue = str(reading.number(), " s");
      if (!judgment_) judgment_ = Clock::now() + times_.gathering;
      break;
    case Kind::kStop:
      tell_all(message);
      break;
    case Kind::kFailed:
      lose(rank, str("rank ", rank, " has failed: ", reading.text()));
      break;
    case Kind::kGoodbye:
      bid_farewell(rank);
      break;
    default:
      lose(rank, str("rank ", rank, " is lost: it sends what nobody understands"));
  }
}

// Ranks that wait for each other at different exchanges would do so for ever.
void Switchboard::gather() {
  size_t first = seats_.size();
  bool all = true;
  for (size_t rank = 0; rank < seats_.size(); ++rank) {
    const Seat& seat = seats_[rank];
    if (!seat.what) {
      all = false;
    } else if (first == seats_.size()) {
      first = rank;
    } else if (*seat.what != *seats_[first].what && !mismatch_) {
      mismatch_ = true;
      tell_all(Writing(Kind::kMismatch)
                   .text(str("rank ", first, " is at '", *seats_[first].what, "', but rank ", rank,
                             " at '", *seat.what, "'"))
                   .take());
    }
  }
  if (!all || mismatch_) return;
  Writing answer(Kind::kAll);
  for (Seat& seat : seats_) {
    answer.text(*seat.said);
    seat.what.reset();
    seat.said.reset();
  }
  tell_all(answer.take());
}

void Switchboard::bid_farewell(size_t rank) {
  seats_[rank].ended = true;
  seats_[rank].link.close();
  tell_all(Writing(Kind::kEnded).number(static_cast<int64_t>(rank)).take());
  if (rank != 0) return;
  tell_all({Kind::kGoodbye, {}});
  for (Seat& seat : seats_) seat.ended = true;  // they end as they like
  closing_ = Clock::now() + times_.farewell;
}

void Switchboard::look_at_the_clock() {
  const Clock::time_point now = Clock::now();
  // A process that was stopped itself, with all of its terminal, has no right to complain.
  if (now - turn_ > 3 * times_.heartbeat) {
    for (Seat& seat : seats_) seat.link.forgive(now - turn_);
  }
  turn_ = now;
  find_silent(now);
  if (judgment_ && now >= *judgment_) lose_overdue();
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + times_.heartbeat;
  tell_all(Writing(Kind::kHeartbeat).text(seats_[0].where).take());
}

void Switchboard::find_silent(Clock::time_point now) {
  for (size_t rank = 0; rank < seats_.size(); ++rank) {
    const Seat& seat = seats_[rank];
    if (seat.ended || !seat.link.is_open() || now - seat.link.heard() < times_.silence) continue;
    lose(rank,
         str("rank ", rank, " is lost: nothing has come from it for ",
             std::chrono::duration<double>(times_.silence).count(), " s", last_at(seat.where)));
  }
}

// When one hangs, those that wait for it within a collective operation seem to do so, too: whoever
// is meant by the story can be told from where they are.
void Switchboard::lose_overdue() {
  judgment_.reset();
  std::vector<size_t> ranks;
  std::vector<std::string> names, stories;
  for (size_t rank = 0; rank < seats_.size(); ++rank) {
    const Seat& seat = seats_[rank];
    if (seat.overdue.empty()) continue;
    ranks.push_back(rank);
    names.push_back(std::to_string(rank));
    stories.push_back(str("rank ", rank, " for ", seat.overdue,
                          seat.where.empty() ? "" : ", last at " + seat.where));
  }
  const Seat& one = seats_[ranks.front()];
  lose(ranks.front(), ranks.size() == 1
                          ? str("rank ", ranks.front(), " is lost: it has not gone on for ",
                                one.overdue, last_at(one.where))
                          : str("ranks ", join(names, ", "), " are lost: they have not gone on, ",
                                join(stories, "; ")));
}

void Switchboard::lose(size_t rank, const std::string& story) {
  if (lost_) return;
  lost_ = true;
  tell_all(Writing(Kind::kLost).number(static_cast<int64_t>(rank)).text(story).take());
}

void Switchboard::tell_all(const Message& message) {
  for (Seat& seat : seats_) {
    if (seat.link.is_open()) seat.link.put(message);
  }
}

// Rank 0 last: once it knows, it may end the process.
void Switchboard::send_all() {
  for (size_t rank = seats_.size(); rank-- > 0;) {
    Link& link = seats_[rank].link;
    if (link.is_open()) link.send_some();
  }
}

}  // namespace lacuna::comm
