// The thread of rank 0 that all ranks are connected to, rank 0 itself included. It hands on what
// they say and finds out who is lost; what follows from that is up to each (member.h).
#pragma once

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lacuna/comm/group.h"
#include "link.h"

namespace lacuna::comm {

class Switchboard {
 public:
  /// Links by rank. Begins to serve.
  Switchboard(std::vector<Link> links, const GroupTimes& times);
  /// Waits until rank 0 has said goodbye, which it must have sent, and the others know.
  ~Switchboard();
  Switchboard(const Switchboard&) = delete;
  Switchboard& operator=(const Switchboard&) = delete;

 private:
  struct Seat {
    Link link;
    std::string where;                      // it was when it was last heard of
    std::string overdue;                    // for how long it has not gone on: "60 s"
    bool ended = false;                     // in order
    std::optional<std::string> what, said;  // the exchange it waits for
  };

  void serve();
  bool is_over() const;
  void wait();
  void hear(size_t rank);
  void handle(size_t rank, const Message& message);
  void gather();
  void bid_farewell(size_t rank);
  void look_at_the_clock();
  void find_silent(Clock::time_point now);
  void lose(size_t rank, const std::string& story);
  void lose_overdue();
  void tell_all(const Message& message);
  void send_all();

  const GroupTimes times_;
  std::vector<Seat> seats_;
  bool mismatch_ = false;
  bool lost_ = false;                          // somebody is: what follows is no news
  Clock::time_point next_heartbeat_, turn_;    // turn_: the last one of the loop
  std::optional<Clock::time_point> judgment_;  // on those that are overdue
  std::optional<Clock::time_point> closing_;   // rank 0 has ended; until then the others may hear
  std::thread thread_;
};

}  // namespace lacuna::comm
