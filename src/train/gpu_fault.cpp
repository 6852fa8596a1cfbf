#include "gpu_fault.h"

#include "lacuna/base/text.h"

namespace lacuna::train {
// The last thing that was noted; the work behind it may have failed.
std::string progress_text(const Trainer& trainer) {
  const StepProgress progress = trainer.progress();
  const std::string step = str("step ", progress.step);
  const std::string layer = str("layer ", progress.layer, " of ", trainer.model().config().layers);
  switch (progress.part) {
    case StepPart::kNone:
      break;
    case StepPart::kForward:
      return str(step, ", forward pass, ", layer);
    case StepPart::kBackward:
      return str(step, ", backward pass, ", layer);
    case StepPart::kUpdate:
      return str(step, ", update of the weights");
    case StepPart::kDone:
      return "after " + step;
  }
  return "before its first step";
}

std::string whereabouts(const Trainer& trainer) {
  const std::string text = progress_text(trainer);
  return text.starts_with("step") ? text : "the work " + text;
}

Error gpu_fault(const DeviceError& fault, const Trainer& trainer) {
  const std::string go_on = "The last checkpoint is intact: --resume auto goes on from it; ";
  return {ErrorKind::kInternal, progress_text(trainer), fault.what(),
          (trainer.steps_done() > 0 ? go_on + "with" : "With") +
              " --train.launches stream a fault names the kernel"};
}

}  // namespace lacuna::train
