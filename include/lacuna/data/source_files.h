// Which files a dataset is made of.
#pragma once

#include <string>
#include <vector>

namespace lacuna {

/// `paths` in the order given, a folder replaced by the files below it whose names end with one of
/// `suffixes` (separated by blanks; empty: any), sorted bytewise by path. Hidden files and folders
/// are skipped; links to files are followed, links to folders are not. A path given by name is
/// taken whatever its suffix. Throws Error(kConfig) for no paths, and Error(kData) for a path that
/// is missing, a folder that cannot be read and a folder without a matching file.
std::vector<std::string> source_files(const std::vector<std::string>& paths,
                                      const std::string& suffixes);

}  // namespace lacuna
