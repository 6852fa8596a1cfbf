#include "resume.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/train/checkpoint.h"

namespace lacuna::train {

namespace fs = std::filesystem;

std::string checkpoint_for(const RunRequest& request, const RunFolder& folder) {
  if (request.resume.empty()) return "";
  if (request.overwrite || !request.init_from.empty()) {
    throw Error(ErrorKind::kUsage, "--resume",
                "contradicts --overwrite and --init-from: a resumed run goes on as it was");
  }
  if (request.resume != "auto") {
    verify_checkpoint(request.resume);
    return request.resume;
  }
  const CheckpointFolder checkpoints(folder.checkpoints());
  std::string newest = checkpoints.newest_complete();
  if (newest.empty() && (!checkpoints.steps().empty() || fs::exists(folder.weights()))) {
    throw Error(ErrorKind::kData, folder.checkpoints(), "none of the run's checkpoints is complete",
                "Use --overwrite to begin again, or --init-from for its weights alone");
  }
  return newest;
}

void check_folder(const RunRequest& request, const RunFolder& folder,
                  const std::string& checkpoint) {
  std::error_code ignored;
  const bool own = request.resume == "auto"
                       ? folder.has_run()
                       : !checkpoint.empty() &&
                             fs::equivalent(checkpoint + "/..", folder.checkpoints(), ignored);
  if (!own) folder.check_free(request.overwrite);
}

}  // namespace lacuna::train
