// Work that is launched again and again on the same memory: a captured graph on a GPU.
#pragma once

#include <functional>
#include <memory>

#include "lacuna/tensor/runtime.h"

namespace lacuna {

class Repeated {
 public:
  /// Without `captured` every run launches anew, as it always does on the CPU.
  explicit Repeated(bool captured) : captured_(captured) {}

  /// Runs `work`, which launches the same contracts each time. The first time it is launched (what
  /// backends keep for later is made then), the second time it is recorded, and from then on the
  /// recording is replayed and `work` is not called.
  void run(Queue& queue, const std::function<void()>& work) {
    if (!captured_ || !queue.on_gpu() || !warm_) {
      warm_ = true;
      return work();
    }
    if (graph_ == nullptr) graph_ = queue.capture(work);
    queue.replay(*graph_);
  }

 private:
  bool captured_;
  bool warm_ = false;
  std::unique_ptr<Graph> graph_;
};

}  // namespace lacuna
