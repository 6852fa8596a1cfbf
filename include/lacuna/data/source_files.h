// Which files a dataset is made of.
#pragma once

#include <string>
#include <vector>

namespace lacuna {

struct SourceFiles {
  std::vector<std::string> files;
  std::vector<std::string> runs;      // folders of runs and checkpoints that a search passed over
  std::vector<std::string> prepared;  // folders of prepared data that it passed over
};

/// `paths` in the order given, a folder replaced by the files below it whose names end with one of
/// `suffixes` (separated by blanks; empty: any), sorted bytewise by path. Hidden files and folders
/// are skipped, and so are `own_run` (may be empty, or not exist), every folder of a run or a
/// checkpoint, whose files change while one trains, and every one of prepared data below them.
/// Links are followed. Each file of a path is listed once: by its name without links where it has
/// one; otherwise by that of a link to the file itself; otherwise by way of the link to a folder
/// whose name comes first. With the files a/x and out/y and the links a/b -> out and a/c -> out,
/// the path a has the files a/b/y and a/x. A path given by name is taken whatever its suffix.
///
/// Throws Error(kConfig) for no paths and for two that lead to one file, and Error(kData) for a
/// path that is missing, a folder that cannot be read, the folder of a run and a folder without a
/// matching file.
SourceFiles source_files(const std::vector<std::string>& paths, const std::string& suffixes,
                         const std::string& own_run);

}  // namespace lacuna
