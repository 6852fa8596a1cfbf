#include "resume.h"

#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/data/source_files.h"
#include "lacuna/train/checkpoint.h"

namespace lacuna::train {
namespace {

namespace fs = std::filesystem;

RunStart newest_of(const RunFolder& folder) {
  const CheckpointFolder checkpoints(folder.checkpoints());
  const std::string newest = checkpoints.newest_complete();
  if (newest.empty() && (!checkpoints.steps().empty() || fs::exists(folder.weights()))) {
    throw Error(ErrorKind::kData, folder.checkpoints(), "none of the run's checkpoints is complete",
                "Use --overwrite to begin again, or --init-from for its weights alone");
  }
  return {newest, !newest.empty()};
}

}  // namespace

RunStart choose_start(const RunRequest& request, const RunFolder& folder) {
  if (!request.resume.empty() && (request.overwrite || !request.init_from.empty())) {
    throw Error(ErrorKind::kUsage, "--resume",
                "contradicts --overwrite and --init-from: a resumed run goes on as it was");
  }
  if (request.resume == "auto" && folder.has_run()) return newest_of(folder);
  RunStart start;
  if (!request.resume.empty() && request.resume != "auto") {
    verify_checkpoint(request.resume);
    std::error_code ignored;
    start = {request.resume, fs::equivalent(request.resume + "/..", folder.checkpoints(), ignored)};
  }
  if (!start.own || !folder.has_run()) folder.check_free(request.overwrite);
  return start;
}

void check_data_stays(const Options& options, const RunFolder& folder) {
  if (folder.files().empty()) return;
  for (const std::string& path : options.data.paths) {
    std::vector<std::string> sources;
    try {
      sources = source_files({path}, options.data.suffixes);
    } catch (const Error&) {  // no data: the data set is of a format that reads no files
    }
    folder.check_holds_none_of(sources);
  }
}

}  // namespace lacuna::train
