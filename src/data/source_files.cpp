#include "lacuna/data/source_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <system_error>

#include "lacuna/base/error.h"
#include "lacuna/data/shards.h"

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

bool has(const std::string& folder, const char* name) {
  std::error_code ignored;
  return fs::is_regular_file(folder + "/" + name, ignored);
}

bool is_checkpoint(const std::string& folder) {
  return has(folder, "config.toml") && has(folder, "manifest.json") && has(folder, "state.json");
}

bool has_checkpoint(const std::string& folder) {
  std::error_code fault;
  fs::directory_iterator entry(folder + "/checkpoints", fault);
  for (; !fault && entry != fs::directory_iterator(); entry.increment(fault)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("step-") && is_checkpoint(entry->path().string())) return true;
  }
  return false;
}

// By the names of the files by which training too knows the folder of a run: a run has its lock
// before its configuration, and a copy of one at least one of its records or a checkpoint.
bool is_run(const std::string& folder) {
  const bool begun =
      has(folder, "config.toml") &&
      (has(folder, "lock") || has(folder, "starts.jsonl") || has(folder, "metrics.jsonl"));
  return begun || is_checkpoint(folder) || has_checkpoint(folder);
}

std::string real_path(const std::string& path) {
  std::error_code fault;
  const fs::path real = fs::canonical(path, fault);
  if (fault) throw Error(ErrorKind::kData, path, "cannot resolve the path: " + fault.message());
  return real.string();
}

// A file or folder: as it was reached, and without links.
struct Place {
  std::string path, real;
};

// What lies below one folder, each real file and folder once.
class Search {
 public:
  Search(const std::vector<std::string>& suffixes, const std::string& own_run)
      : suffixes_(suffixes), own_run_(own_run) {}

  bool leaves_out(const Place& folder) const {
    return folder.real == own_run_ || is_run(folder.path);
  }

  // First without following a link, so that a link changes the place of nothing that is found
  // without it.
  void below(const Place& root) {
    std::vector<std::string> links;
    for (std::vector<Place> folders{root}; !folders.empty();) {
      const Place folder = folders.back();
      folders.pop_back();
      if (!searched_.insert(folder.real).second) continue;
      if (is_prepared(folder.path)) {
        prepared_.push_back(folder.path);
      } else if (leaves_out(folder)) {
        runs_.push_back(folder.path);
      } else {
        read(folder, folders, links);
      }
    }
    follow(links);
  }

  std::vector<Place> files() const {
    std::vector<Place> files;
    for (const auto& [real, path] : files_) files.push_back({path, real});
    std::sort(files.begin(), files.end(),
              [](const Place& a, const Place& b) { return a.path < b.path; });
    return files;
  }
  std::vector<std::string> runs() const { return sorted(runs_); }
  std::vector<std::string> prepared() const { return sorted(prepared_); }

 private:
  static std::vector<std::string> sorted(std::vector<std::string> paths) {
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  void read(const Place& folder, std::vector<Place>& folders, std::vector<std::string>& links) {
    std::error_code fault;
    fs::directory_iterator entry(folder.path, fault);
    for (; !fault && entry != fs::directory_iterator(); entry.increment(fault)) {
      const std::string path = entry->path().string(), name = entry->path().filename().string();
      const Place place{path, (fs::path(folder.real) / name).string()};
      std::error_code vanished;
      if (name.starts_with('.')) continue;
      if (entry->is_symlink(vanished)) {
        links.push_back(path);
      } else if (entry->is_directory(vanished)) {
        folders.push_back(place);
      } else if (entry->is_regular_file(vanished)) {
        take(place);
      }
    }
    if (fault) {
      throw Error(ErrorKind::kData, folder.path, "cannot read the folder: " + fault.message());
    }
  }

  void follow(std::vector<std::string>& links) {
    std::sort(links.begin(), links.end());
    std::vector<Place> folders;
    for (const std::string& link : links) {
      std::error_code fault;
      const fs::file_status status = fs::status(link, fault);
      const bool loop = fault == std::errc::too_many_symbolic_link_levels;
      if (status.type() == fs::file_type::not_found || loop) continue;  // it leads to nothing
      const Place place{link, real_path(link)};
      if (fs::is_directory(status)) {
        folders.push_back(place);
      } else if (fs::is_regular_file(status)) {
        take(place);
      }
    }
    for (const Place& folder : folders) below(folder);
  }

  void take(const Place& file) {
    if (matches(fs::path(file.path).filename().string(), suffixes_)) {
      files_.emplace(file.real, file.path);
    }
  }

  const std::vector<std::string>& suffixes_;
  const std::string& own_run_;  // real path, or empty
  std::set<std::string> searched_;
  std::map<std::string, std::string> files_;  // paths by real path
  std::vector<std::string> runs_, prepared_;
};

// What the paths lead to, in their order.
class Sources {
 public:
  Sources(const std::string& suffixes, const std::string& own_run)
      : suffixes_(words(suffixes)), suffixes_text_(suffixes) {
    std::error_code missing;
    if (!own_run.empty()) own_run_ = fs::canonical(own_run, missing).string();
  }

  void add(const std::string& path) {
    std::error_code fault;
    const fs::file_status status = fs::status(path, fault);
    if (!fs::exists(status)) fail_missing(path, fault.message());
    if (fs::is_directory(status)) {
      add_folder({path, real_path(path)});
    } else if (fs::is_regular_file(status)) {
      add_file({path, real_path(path)}, path);
    } else {
      throw Error(ErrorKind::kData, path, "is neither a regular file nor a folder",
                  "Data is read more than once and in any order: write it to a file");
    }
  }
  const SourceFiles& found() const { return found_; }

 private:
  [[noreturn]] static void fail_missing(const std::string& path, const std::string& reason) {
    const bool wildcard = path.find_first_of("*?") != std::string::npos;
    throw Error(ErrorKind::kData, path, "expected a file or a folder: " + reason,
                wildcard ? "lacuna expands no wildcards: name the folder, and choose its files "
                           "with data.suffixes"
                         : "Check data.paths; relative paths start at the current folder");
  }

  void add_folder(const Place& folder) {
    Search search(suffixes_, own_run_);
    if (search.leaves_out(folder)) {
      throw Error(ErrorKind::kData, folder.path,
                  "is the folder of a run, whose files are no data to train on",
                  "Name the files or folders in it that are");
    }
    search.below(folder);
    const std::vector<std::string> prepared = search.prepared();
    const std::vector<Place> files = search.files();
    const std::vector<std::string> runs = search.runs();
    if (files.empty()) {
      std::string where = runs.empty() ? "the folder" : "the folder, runs left out,";
      if (!prepared.empty()) where = "the folder, prepared data and runs left out,";
      throw Error(ErrorKind::kData, folder.path,
                  suffixes_.empty()
                      ? where + " has no files that are not hidden"
                      : where + " has no files that end with one of: " + suffixes_text_,
                  suffixes_.empty() ? "" : "Check data.suffixes");
    }
    for (const Place& file : files) add_file(file, folder.path);
    found_.runs.insert(found_.runs.end(), runs.begin(), runs.end());
    found_.prepared.insert(found_.prepared.end(), prepared.begin(), prepared.end());
  }

  void add_file(const Place& file, const std::string& path) {
    const auto [owner, is_new] = owners_.emplace(file.real, path);
    if (!is_new) {
      throw Error(ErrorKind::kConfig, "data.paths",
                  owner->second == path
                      ? "'" + path + "' is named twice"
                      : "'" + owner->second + "' and '" + path + "' both lead to " + file.real,
                  "Name each file once");
    }
    found_.files.push_back(file.path);
  }

  std::vector<std::string> suffixes_;
  std::string suffixes_text_;
  std::string own_run_;
  std::map<std::string, std::string> owners_;  // which path leads to a real file
  SourceFiles found_;
};

}  // namespace

SourceFiles source_files(const std::vector<std::string>& paths, const std::string& suffixes,
                         const std::string& own_run) {
  if (paths.empty()) {
    throw Error(ErrorKind::kConfig, "data.paths", "no file or folder is given",
                "Name at least one");
  }
  Sources sources(suffixes, own_run);
  for (const std::string& path : paths) sources.add(path);
  return sources.found();
}

}  // namespace lacuna
