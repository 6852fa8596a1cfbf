#include "meeting.h"

#include <poll.h>

#include <algorithm>
#include <list>
#include <thread>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::comm {
namespace {

using std::chrono::milliseconds;

constexpr const char* kMagic = "lacuna ranks";
constexpr int64_t kVersion = 1;             // of the messages
constexpr size_t kLargestHello = 64;        // bytes
constexpr size_t kLargestReply = 64 << 10;  // bytes
constexpr size_t kMostGuests = 64;          // that have not said who they are
constexpr milliseconds kOneAttempt{5000};   // to connect, or to say who one is
constexpr milliseconds kShortestPause{20};  // between two attempts
constexpr milliseconds kLongestPause{500};
constexpr milliseconds kLookUp{200};       // at what else may end the meeting
constexpr milliseconds kForReasons{5000};  // rank 0 may run out of patience a little later

std::string place_of(const World& world) {
  return str(world.host, " port ", world.port);
}

std::string in_seconds(milliseconds time) {
  return str(std::chrono::duration<double>(time).count(), " s");
}

// Rank 0 while the others come.
class Reception {
 public:
  Reception(const World& world, const std::function<void()>& meanwhile)
      : world_(world),
        meanwhile_(meanwhile),
        listener_(listen_at(world.host, world.port)),
        links_(static_cast<size_t>(world.size)) {}

  std::vector<Link> await_all(milliseconds patience);

 private:
  struct Guest {
    Link link;
    Clock::time_point until;  // it must have said who it is
  };

  std::vector<int> missing() const;
  void wait(Clock::time_point until);
  void let_in();
  void hear(Guest& guest);
  void admit(Guest& guest, Message message);
  std::string why_not(int64_t version, int64_t rank, int64_t size) const;
  void end_all(const std::string& why);
  void look_for_gone();

  const World& world_;
  const std::function<void()>& meanwhile_;
  Socket listener_;
  std::list<Guest> guests_;
  std::vector<Link> links_;
};

std::vector<int> Reception::missing() const {
  std::vector<int> ranks;
  for (int rank = 1; rank < world_.size; ++rank) {
    if (!links_[static_cast<size_t>(rank)].is_open()) ranks.push_back(rank);
  }
  return ranks;
}

std::vector<Link> Reception::await_all(milliseconds patience) {
  const Clock::time_point until = Clock::now() + patience;
  for (std::vector<int> absent = missing(); !absent.empty(); absent = missing()) {
    if (Clock::now() >= until) {
      std::vector<std::string> names;
      for (const int rank : absent) names.push_back(std::to_string(rank));
      const std::string text =
          str(names.size() == 1 ? "rank " : "ranks ", join(names, ", "), " of ", world_.size,
              names.size() == 1 ? " has" : " have", " not come within ", in_seconds(patience));
      end_all(text);
      throw Error(ErrorKind::kConfig, place_of(world_), text,
                  "See what they say, and whether their hosts can reach this one");
    }
    if (meanwhile_) meanwhile_();
    wait(std::min(until, Clock::now() + kLookUp));
    let_in();
    for (Guest& guest : guests_) hear(guest);
    guests_.remove_if([](const Guest& guest) { return !guest.link.is_open(); });
    look_for_gone();
  }
  for (Link& link : links_) {
    if (!link.is_open()) continue;
    link.put({Kind::kBegin, {}});
    link.send_some();  // the rest, if any, goes with what follows
  }
  return std::move(links_);
}

void Reception::wait(Clock::time_point until) {
  std::vector<pollfd> all{{listener_.descriptor(), POLLIN, 0}};
  for (const Guest& guest : guests_) {
    all.push_back({guest.link.socket().descriptor(), POLLIN, 0});
    until = std::min(until, guest.until);
  }
  for (const Link& link : links_) {
    if (link.is_open()) all.push_back({link.socket().descriptor(), POLLIN, 0});
  }
  poll(all.data(), all.size(), poll_timeout(until));
}

void Reception::let_in() {
  for (Socket socket = accept_from(listener_); socket.is_open(); socket = accept_from(listener_)) {
    guests_.push_back({Link(std::move(socket), kLargestHello), Clock::now() + kOneAttempt});
    if (guests_.size() > kMostGuests) guests_.pop_front();
  }
}

void Reception::hear(Guest& guest) {
  const bool is_there = guest.link.receive_some();
  if (std::optional<Message> message = guest.link.take()) {
    admit(guest, std::move(*message));
  } else if (!is_there || Clock::now() >= guest.until) {
    guest.link.close();
  }
}

// Makes a guest a rank, or shows it the door.
void Reception::admit(Guest& guest, Message message) {
  Reading hello(message);
  const bool knows = message.kind == Kind::kHello && hello.text() == kMagic;
  const int64_t version = hello.number(), rank = hello.number(), size = hello.number();
  if (!knows || !hello.done()) return guest.link.close();
  guest.link.put(Writing(Kind::kWelcome).text(kMagic).number(kVersion).take());
  const std::string reason = why_not(version, rank, size);
  if (reason.empty()) {
    guest.link.send_some();
    links_[static_cast<size_t>(rank)] = std::move(guest.link);
    guest.link.close();
    return;
  }
  guest.link.put(Writing(Kind::kTurnedAway).text(reason).take());
  guest.link.send_some();
  guest.link.close();
}

std::string Reception::why_not(int64_t version, int64_t rank, int64_t size) const {
  if (version != kVersion) return "another version of lacuna runs at rank 0";
  if (size != world_.size) {
    return str("it is one of ", size, " ranks, but rank 0 is one of ", world_.size);
  }
  if (rank < 1 || rank >= size) return str("rank ", rank, " of ", size, " cannot be");
  if (links_[static_cast<size_t>(rank)].is_open()) return str("rank ", rank, " has come already");
  return "";
}

void Reception::end_all(const std::string& why) {
  for (Link& link : links_) {
    if (!link.is_open()) continue;
    link.put(Writing(Kind::kTurnedAway).text(why).take());
    link.send_some();
    link.close();
  }
}

// Who has come has nothing to say before all have.
void Reception::look_for_gone() {
  for (size_t rank = 1; rank < links_.size(); ++rank) {
    if (!links_[rank].is_open() || links_[rank].receive_some()) continue;
    links_[rank].close();
    const std::string text = str("rank ", rank, " has gone before all ranks had met");
    end_all(text);
    throw Error(ErrorKind::kConfig, place_of(world_), text, "See what it says");
  }
}

// Another rank while it waits for rank 0 to let it begin.
class Visitor {
 public:
  Visitor(const World& world, milliseconds patience, const std::function<void()>& meanwhile)
      : world_(world),
        meanwhile_(meanwhile),
        patience_(patience),
        until_(Clock::now() + patience) {}

  Link join();

 private:
  bool knock(Link& link);
  bool hear(const Message& message);
  [[noreturn]] void give_up() const;

  const World& world_;
  const std::function<void()>& meanwhile_;
  const milliseconds patience_;
  Clock::time_point until_;
  bool welcome_ = false;
  std::string fault_;  // of the last attempt
};

Link Visitor::join() {
  milliseconds pause = kShortestPause;
  for (;;) {
    if (meanwhile_) meanwhile_();
    Socket socket =
        connect_to(world_.host, world_.port, std::min(until_, Clock::now() + kOneAttempt), fault_);
    if (socket.is_open()) {
      Link link(std::move(socket), kLargestReply);
      if (knock(link)) return link;
    }
    if (Clock::now() + pause >= until_) give_up();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

// Whether rank 0 lets it begin; not when it is somebody else that listens there.
bool Visitor::knock(Link& link) {
  link.put(Writing(Kind::kHello)
               .text(kMagic)
               .number(kVersion)
               .number(world_.rank)
               .number(world_.size)
               .take());
  fault_ = "what listens there is not rank 0 of this run";
  bool is_there = true;
  while (is_there && Clock::now() < until_) {
    if (meanwhile_) meanwhile_();
    wait_for(link.socket(), link.has_unsent(), std::min(until_, Clock::now() + kLookUp));
    is_there = link.send_some();
    is_there = link.receive_some() && is_there;
    while (const std::optional<Message> message = link.take()) {
      if (hear(*message)) return true;
      if (!welcome_) return false;
    }
  }
  if (!welcome_) return false;
  fault_ = is_there ? "not all ranks have met" : "rank 0 has gone before all ranks had met";
  give_up();
}

bool Visitor::hear(const Message& message) {
  Reading reading(message);
  if (message.kind == Kind::kWelcome && reading.text() == kMagic) {
    welcome_ = true;
    until_ = Clock::now() + patience_ + kForReasons;
  }
  if (!welcome_) return false;
  if (message.kind == Kind::kTurnedAway) {
    throw Error(ErrorKind::kConfig, place_of(world_),
                str("rank 0 sends rank ", world_.rank, " away: ", reading.text()));
  }
  return message.kind == Kind::kBegin;
}

void Visitor::give_up() const {
  throw Error(ErrorKind::kConfig, place_of(world_),
              str("rank ", world_.rank, " has not met rank 0 there within ", in_seconds(patience_),
                  ": ", fault_),
              "See what rank 0 says, and whether this host can reach it");
}

}  // namespace

std::vector<Link> await_ranks(const World& world, milliseconds patience,
                              const std::function<void()>& meanwhile) {
  return Reception(world, meanwhile).await_all(patience);
}

Link join_first(const World& world, milliseconds patience, const std::function<void()>& meanwhile) {
  return Visitor(world, patience, meanwhile).join();
}

}  // namespace lacuna::comm
