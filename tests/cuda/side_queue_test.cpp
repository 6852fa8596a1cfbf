// Two queues of a GPU that events put in order, launched and recorded.
#include <algorithm>

#include "lacuna/kernels/elementwise.h"
#include "lacuna/tensor/repeated.h"
#include "parity.h"

using namespace parity;

TEST_CASE("a side queue works between the events that order it, in a recording, too",
          "[elementwise]") {
  constexpr int64_t kCount = int64_t{1} << 24;  // long enough that a missing order would show
  Queue& main = gpu_queue();
  Queue side = main.side();
  const std::unique_ptr<Event> begun = main.make_event(), ended = main.make_event();
  const Tensor from = main.zeros({kCount}, DType::kF32), there = main.zeros({kCount}, DType::kF32);
  const Tensor sum = main.zeros({kCount}, DType::kF32), beside = main.zeros({kCount}, DType::kF32);
  Repeated recording;
  const Tensor host = Tensor::zeros({kCount}, DType::kF32);
  float wanted = 0;
  for (int turn = 1; turn <= 4; ++turn) {  // launched, recorded, replayed
    auto* values = host.view().data<float>();
    std::fill(values, values + kCount, static_cast<float>(turn));
    wanted += static_cast<float>(turn);
    main.upload(from, values);
    recording.run(main, [&] {
      launch(main, Convert{.x = from, .y = there});
      main.record(*begun);
      side.wait_for(*begun);
      launch(side, Accumulate{.x = there, .y = sum});
      launch(main, Convert{.x = from, .y = beside});
      side.record(*ended);
      main.wait_for(*ended);
    });
    const Tensor found = main.to_host(sum);
    const auto* first = found.view().data<float>();
    CHECK(std::all_of(first, first + kCount, [&](float value) { return value == wanted; }));
  }
}
