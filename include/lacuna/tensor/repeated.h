// Work that is launched again and again on the same memory: a captured graph on a GPU.
#pragma once

#include <functional>
#include <memory>

#include "lacuna/tensor/runtime.h"

namespace lacuna {

class Repeated {
 public:
  /// Runs `work`, which launches the same contracts each time. On a queue that captures, the first
  /// time it is launched (what backends keep for later is made then), the second time it is
  /// recorded, and from then on the recording is replayed and `work` is not called.
  void run(Queue& queue, const std::function<void()>& work) {
    if (!queue.uses_graphs() || !warm_) {
      warm_ = true;
      return work();
    }
    if (graph_ == nullptr) graph_ = queue.capture(work);
    queue.replay(*graph_);
  }

 private:
  bool warm_ = false;
  std::unique_ptr<Graph> graph_;
};

}  // namespace lacuna
