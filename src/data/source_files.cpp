#include "lacuna/data/source_files.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "lacuna/base/error.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> all;
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

bool matches(const std::string& name, const std::vector<std::string>& suffixes) {
  return suffixes.empty() || std::any_of(suffixes.begin(), suffixes.end(), [&](const auto& suffix) {
           return name.ends_with(suffix);
         });
}

std::vector<std::string> files_below(const std::string& folder,
                                     const std::vector<std::string>& suffixes) {
  std::vector<std::string> files;
  std::error_code fault;
  fs::recursive_directory_iterator entry(folder, fault);
  for (; !fault && entry != fs::recursive_directory_iterator(); entry.increment(fault)) {
    const std::string name = entry->path().filename().string();
    std::error_code vanished;  // also a link to nothing: not a regular file then
    if (name.starts_with('.')) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file(vanished) && matches(name, suffixes)) {
      files.push_back(entry->path().string());
    }
  }
  if (fault) {
    throw Error(ErrorKind::kData, folder, "cannot read the folder: " + fault.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<std::string> source_files(const std::vector<std::string>& paths,
                                      const std::string& suffixes) {
  if (paths.empty()) {
    throw Error(ErrorKind::kConfig, "data.paths", "no file or folder is given",
                "Name at least one");
  }
  const std::vector<std::string> wanted = words(suffixes);
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code fault;
    const fs::file_status status = fs::status(path, fault);
    if (!fs::exists(status)) {
      throw Error(ErrorKind::kData, path, "expected a file or a folder: " + fault.message(),
                  "Check data.paths; relative paths start at the current folder");
    }
    if (!fs::is_directory(status)) {
      files.push_back(path);
      continue;
    }
    const std::vector<std::string> found = files_below(path, wanted);
    if (found.empty()) {
      throw Error(ErrorKind::kData, path,
                  wanted.empty() ? "the folder has no files that are not hidden"
                                 : "the folder has no files that end with one of: " + suffixes,
                  wanted.empty() ? "" : "Check data.suffixes");
    }
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace lacuna
