// The processes that train together, as they talk besides tensors: rank 0 listens, the others are
// connected to it all the time. Few and small messages: what to do next, what was found, who is
// lost. A group of one says everything to itself at once and opens no socket.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lacuna/comm/world.h"

namespace lacuna {

/// How long a group waits for what; tests are in more of a hurry.
struct GroupTimes {
  std::chrono::milliseconds heartbeat{1000};  // from one sign of life to the next
  std::chrono::milliseconds silence{10'000};  // without a sign of life a rank is lost
  std::chrono::milliseconds gathering{1500};  // for all that have not gone on to say so
  std::chrono::milliseconds grace{3000};      // for the main thread to end, once a rank is lost
  std::chrono::milliseconds word{5000};       // of who is lost
  std::chrono::milliseconds farewell{2000};   // for the last messages
};

class Group {
 public:
  /// One process alone.
  Group();
  /// Returns when all ranks have met. Throws Error(kConfig) with the ranks that are missing after
  /// `patience`, or when the port is taken, naming it. Calls `meanwhile` several times a second as
  /// long as they meet; what it throws ends that.
  Group(const World& world, std::chrono::seconds patience, const GroupTimes& times = GroupTimes(),
        const std::function<void()>& meanwhile = {});
  /// Says goodbye. While an exception unwinds the stack it says that this rank has failed instead.
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const World& world() const;
  int rank() const { return world().rank; }
  int size() const { return world().size; }
  bool is_first() const { return rank() == 0; }
  /// The address of this host on the way to rank 0; of rank 0, that by which it has been reached.
  const std::string& address() const;

  // To be called by all ranks in the same order, by one thread of each. `what` names the exchange:
  // ranks that are at different ones are an error, which tells both names. Throws LostRank.

  /// What each rank says, in the order of ranks.
  std::vector<std::string> exchange(std::string_view what, const std::string& said);
  /// What rank 0 says.
  std::string from_first(std::string_view what, const std::string& said);
  /// Whether any rank says so.
  bool any(std::string_view what, bool said);

  /// Watches from now on, by a thread: `where` tells where this rank is ("step 12, backward pass"),
  /// and is asked by that thread. When a rank is lost, by its end or its silence, each other one
  /// says so on stderr, with where it is itself, and who is missing, and ends the process with exit
  /// code 1, unless its main thread has done so within a few seconds. An empty function is not
  /// asked: once this has returned, the one before is not either.
  void watch(std::function<std::string()> where);
  /// Tells that this rank goes on, and how long the silence after that may last before it counts
  /// as lost; time spent in the exchanges above does not count. Cheap; to be called at least once a
  /// step.
  void goes_on(std::chrono::seconds patience);
  /// Asks all ranks to stop; stop_asked() is true on each, this one included, soon afterwards.
  void ask_to_stop();
  bool stop_asked() const;
  /// Tells the others why this rank ends before they do. Does not throw.
  void fail(const std::string& why) noexcept;
  /// Whether all ranks are there, or have ended in order, as far as this one has heard. Cheap.
  bool is_whole() const;
  /// Waits a few seconds for word of who is lost; empty: nobody is. For a rank to which a
  /// collective operation has failed.
  std::string who_is_lost();

 private:
  class Connections;
  std::unique_ptr<Connections> connections_;
};

}  // namespace lacuna
