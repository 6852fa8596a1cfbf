#include "lacuna/comm/group.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#include "meeting.h"
#include "member.h"
#include "switchboard.h"

namespace lacuna {

class Group::Connections {
 public:
  explicit Connections(const World& world) : world_(world) {}

  void meet(std::chrono::seconds patience, const GroupTimes& times,
            const std::function<void()>& meanwhile) {
    comm::Link to_first;
    if (world_.rank == 0) {
      std::vector<comm::Link> links = comm::await_ranks(world_, patience, meanwhile);
      for (const comm::Link& link : links) {
        if (link.is_open()) address_ = comm::address_of(link.socket());
        if (!comm::is_loopback(address_)) break;
      }
      auto [here, there] = comm::connected_pair();
      links[0] = comm::Link(std::move(there), 0);
      to_first = comm::Link(std::move(here), 0);
      switchboard_ = std::make_unique<comm::Switchboard>(std::move(links), times);
    } else {
      to_first = comm::join_first(world_, patience, meanwhile);
      address_ = comm::address_of(to_first.socket());
    }
    member_ = std::make_unique<comm::Member>(world_.rank, world_.size, std::move(to_first), times);
  }

  const World& world() const { return world_; }
  const std::string& address() const { return address_; }
  comm::Member* member() { return member_.get(); }
  bool is_unwinding() const { return std::uncaught_exceptions() > exceptions_; }

  std::atomic<bool> stop_alone = false;

 private:
  const World world_;
  std::string address_ = "127.0.0.1";
  const int exceptions_ = std::uncaught_exceptions();
  std::unique_ptr<comm::Switchboard> switchboard_;  // rank 0 only; ends after its member
  std::unique_ptr<comm::Member> member_;            // none when alone
};

Group::Group() : connections_(std::make_unique<Connections>(World{})) {}

Group::Group(const World& world, std::chrono::seconds patience, const GroupTimes& times,
             const std::function<void()>& meanwhile)
    : connections_(std::make_unique<Connections>(world)) {
  if (!world.alone()) connections_->meet(patience, times, meanwhile);
}

Group::~Group() {
  if (connections_->is_unwinding()) fail("it ends with an error");
}

const std::string& Group::address() const {
  return connections_->address();
}

const World& Group::world() const {
  return connections_->world();
}

std::vector<std::string> Group::exchange(std::string_view what, const std::string& said) {
  comm::Member* member = connections_->member();
  return member == nullptr ? std::vector<std::string>{said} : member->exchange(what, said);
}

std::string Group::from_first(std::string_view what, const std::string& said) {
  return std::move(exchange(what, is_first() ? said : "").front());
}

bool Group::any(std::string_view what, bool said) {
  const std::vector<std::string> all = exchange(what, said ? "yes" : "no");
  return std::find(all.begin(), all.end(), "yes") != all.end();
}

void Group::watch(std::function<std::string()> where) {
  if (comm::Member* member = connections_->member()) member->watch(std::move(where));
}

void Group::goes_on(std::chrono::seconds patience) {
  if (comm::Member* member = connections_->member()) member->goes_on(patience);
}

void Group::ask_to_stop() {
  if (comm::Member* member = connections_->member()) return member->ask_to_stop();
  connections_->stop_alone = true;
}

bool Group::stop_asked() const {
  const comm::Member* member = connections_->member();
  return member == nullptr ? connections_->stop_alone.load() : member->stop_asked();
}

void Group::fail(const std::string& why) noexcept {
  if (comm::Member* member = connections_->member()) member->fail(why);
}

bool Group::is_whole() const {
  const comm::Member* member = connections_->member();
  return member == nullptr || member->is_whole();
}

std::string Group::who_is_lost() {
  comm::Member* member = connections_->member();
  return member == nullptr ? "" : member->who_is_lost();
}

}  // namespace lacuna
