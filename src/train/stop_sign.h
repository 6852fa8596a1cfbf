// Whether a run is to stop: one process may be asked by a signal, and all ranks that train together
// must stop at the same place.
#pragma once

#include <functional>
#include <string_view>

#include "lacuna/comm/group.h"

namespace lacuna::train {

class StopSign {
 public:
  /// Both must outlive it.
  StopSign(const std::function<bool()>& asked, Group& group) : asked_(asked), group_(group) {}

  /// Whether this process or, as far as it has heard, another rank was asked. May differ between
  /// ranks at any moment.
  bool wanted() {
    if (!passed_on_ && asked_()) {
      passed_on_ = true;
      group_.ask_to_stop();
    }
    return passed_on_ || group_.stop_asked();
  }
  /// Whether the run stops now. One process alone does as soon as it is asked, ranks once they have
  /// agreed.
  bool is_up() { return group_.world().alone() ? wanted() : agreed_; }
  /// What all ranks have learned alike, such as with the result of a step.
  void agree(bool stop) { agreed_ = agreed_ || stop; }
  /// Asks all ranks, which do so at the same place; whether the run stops now.
  bool ask_all(std::string_view place) {
    if (!group_.world().alone()) agree(group_.any(place, wanted()));
    return is_up();
  }

 private:
  const std::function<bool()>& asked_;
  Group& group_;
  bool passed_on_ = false, agreed_ = false;
};

}  // namespace lacuna::train
