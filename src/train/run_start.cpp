#include <chrono>

#include "lacuna/base/facts.h"
#include "lacuna/io/json_line.h"
#include "lacuna/train/run_record.h"

namespace lacuna::train {

void record_start(const RunFolder& folder, const Dataset& data, const std::string& data_identity,
                  Trainer& trainer) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const BuildFacts build = build_facts();
  const MachineFacts machine = machine_facts();
  JsonLine line;
  line.add("step", trainer.steps_done())
      .add("time", std::chrono::duration<double>(now).count())
      .add("lacuna", build.version)
      .add("build", build.build)
      .add("compiler", build.compiler)
      .add("cpu_code", build.cpu_code)
      .add("cuda_toolkit", build.cuda_toolkit)
      .add("processor", machine.processor)
      .add("system", machine.system)
      .add("memory_bytes", machine.memory_bytes)
      .add("device", device_text(trainer.queue()))
      .add("threads", trainer.queue().threads())
      .add("precision", name_of(trainer.model().dtype()))
      .add("parameters", nn::parameter_count(nn::parameter_specs(trainer.model().config())))
      .add("steps_total", trainer.steps_total())
      .add("tokens_per_step", trainer.step_size().tokens)
      .add("data", data_identity)
      .add("data_description", data.describe())
      .add("unit", data.medium().unit().name)
      .add("symbols_per_unit", data.medium().unit().symbols);
  const std::optional<double> floor = data.valid().front().part->floor_bits();
  if (floor) {
    line.add("floor_bits", *floor);
  } else {
    line.add_json("floor_bits", "null");
  }
  JsonlFile(folder.starts()).append(line);
}

}  // namespace lacuna::train
