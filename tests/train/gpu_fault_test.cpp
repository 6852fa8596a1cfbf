#include "../../src/train/gpu_fault.h"

#include "../catch.h"
#include "memory_data.h"

using namespace lacuna;
using namespace lacuna::train;

TEST_CASE("a fault is told with the step it came after, and what to do") {
  const MemoryData text(256, counting_text(500, 0), counting_text(40, 900));
  Options options;
  options.model.layers = 1;
  options.model.heads = 1;
  options.model.width = 8;
  options.model.context = 16;
  options.model.attention = {"local(4)"};
  options.train.device = "cpu";
  options.train.length = "3 steps";
  options.optim.warmup = "1 steps";
  Trainer trainer(options, text);
  const DeviceError fault("LinearForward", "the GPU reports: a test");
  const auto said = [&] { return std::string(gpu_fault(fault, trainer).what()); };
  CHECK(said().starts_with("before its first step: LinearForward: the GPU reports: a test."));
  CHECK(whereabouts(trainer) == "the work before its first step");
  trainer.step();
  trainer.step();
  CHECK(whereabouts(trainer) == "the work after step 2");
  CHECK(said().starts_with("after step 2: LinearForward: the GPU reports: a test."));
  CHECK(said().find("--resume auto") != std::string::npos);
  CHECK(gpu_fault(fault, trainer).exit_code() == 1);
}
