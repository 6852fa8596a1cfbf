// Data that are converted once: `lacuna data prepare` and `lacuna data check`.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "inspect/inspect.h"
#include "lacuna/base/error.h"
#include "lacuna/base/log.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/data/shards.h"
#include "lacuna/train/setup.h"
#include "progress_bar.h"

namespace lacuna::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double share_of(int64_t done, int64_t all) {
  return all > 0 ? static_cast<double>(done) / static_cast<double>(all) : 0;
}

std::string rate_text(int64_t bytes, double seconds) {
  return seconds > 0 ? fixed(static_cast<double>(bytes) / seconds / 1e6, 1) + " MB/s" : "";
}

// Shows how far the work is and how fast: what an earlier call has done is no speed of this one.
class Display {
 public:
  void show(const PreparationProgress& now) {
    if (now.folder != folder_) {
      folder_ = now.folder;
      begun_ = false;
    }
    unfinished_ = now.files < now.all_files;
    if (now.all_to_check > 0) {
      bar_.show(printable(now.folder) + ": what is there", share_of(now.checked, now.all_to_check),
                human_bytes(static_cast<uint64_t>(now.all_to_check)));
      return;
    }
    if (!begun_) {
      begun_ = true;
      first_symbols_ = last_symbols_ = now.symbols;
      begin_ = Clock::now();
    }
    converted_ += now.symbols - std::exchange(last_symbols_, now.symbols);
    if (!bar_.is_due()) return;
    bar_.show(printable(now.folder), share_of(now.bytes, now.all_bytes),
              str(grouped(static_cast<int64_t>(now.files)), " of ",
                  grouped(static_cast<int64_t>(now.all_files)), " files  ",
                  human_bytes(static_cast<uint64_t>(now.symbols)), "  ",
                  rate_text(now.symbols - first_symbols_, seconds_since(begin_))));
  }

  /// Symbols that this call has converted.
  int64_t converted() const { return converted_; }
  /// Whether a folder was begun that is not whole yet.
  bool unfinished() const { return unfinished_; }

 private:
  ProgressBar bar_;
  std::string folder_;
  bool begun_ = false, unfinished_ = false;
  int64_t first_symbols_ = 0, last_symbols_ = 0, converted_ = 0;
  Clock::time_point begin_;
};

void print_prepared(const Prepared& made) {
  constexpr size_t kMost = 10;
  std::printf(
      "%s%s: %s records, %s symbols of %s files, xxh3 %s%s\n", printable(made.folder).c_str(),
      made.part.empty() ? "" : (" (" + made.part + ")").c_str(), grouped(made.records).c_str(),
      grouped(made.symbols).c_str(), grouped(made.sources).c_str(), made.xxh3.c_str(),
      made.was_there ? "; it was there already" : "");
  if (made.left_out.empty()) return;
  std::printf("  left out: %s\n", grouped(std::ssize(made.left_out)).c_str());
  for (size_t i = 0; i < std::min(kMost, made.left_out.size()); ++i) {
    std::printf("    %s\n", printable(made.left_out[i]).c_str());
  }
  if (made.left_out.size() > kMost) {
    std::printf("    and %s more: see sources.tsv in the folder\n",
                grouped(std::ssize(made.left_out) - static_cast<int64_t>(kMost)).c_str());
  }
}

// What reads the prepared data, as lines of a configuration.
std::string data_section(train::Options options, const std::vector<Prepared>& made) {
  auto& data = options.data;
  data.paths = data.valid_paths = data.test_paths = {};
  data.suffixes.clear();
  for (const Prepared& one : made) {
    const std::string name = one.part.starts_with("valid/") ? one.part.substr(6) + "=" : "";
    (one.part == "test"              ? data.test_paths
     : one.part.starts_with("valid") ? data.valid_paths
                                     : data.paths)
        .push_back(name + one.folder);
  }
  const std::string text = train::to_toml(options);
  const size_t begin = text.find("[data]");
  return text.substr(begin, text.find("\n\n", begin) + 1 - begin);
}

void prepare(const Parsed& parsed, const Stop& stop) {
  const train::Options options =
      train::read_options(config_file(parsed.text("CONFIG")), parsed.overrides);
  DatasetConfig config = train::dataset_config(options);
  check_dataset(config);
  if (!parsed.is_set("output")) {
    throw Error(ErrorKind::kUsage, "--output", "no folder is given for the prepared data",
                "Name one that is not there yet");
  }
  Display display;
  Preparation preparation{.folder = parsed.text("output"),
                          .skip_bad = parsed.is_set("skip-bad"),
                          .overwrite = parsed.is_set("overwrite"),
                          .progress = [&](const PreparationProgress& now) {
                            display.show(now);
                            leave_if(stop);
                          }};
  config.preparation = &preparation;
  const auto begin = Clock::now();
  std::unique_ptr<Dataset> data;
  try {
    data = open_dataset(config);
  } catch (...) {
    clear_live_line();
    if (display.unfinished()) {
      std::fprintf(stderr,
                   "what is converted so far stays in %s: the same command goes on there, and "
                   "--skip-bad leaves out what cannot be converted\n",
                   printable(preparation.folder).c_str());
    }
    throw;
  }
  clear_live_line();
  if (preparation.made.empty()) {
    throw Error(ErrorKind::kUsage, "data.format",
                config.format + " reads no files: there is nothing to prepare");
  }
  const double seconds = seconds_since(begin);
  for (const Prepared& made : preparation.made) print_prepared(made);
  std::printf("%s\nidentity %s\n%s", data->describe().c_str(),
              data->identity([&] { leave_if(stop); }).c_str(),
              (fixed(seconds, 1) + " seconds").c_str());
  if (display.converted() > 0) {
    std::printf(", %s", rate_text(display.converted(), seconds).c_str());
  }
  std::printf("\n\nIn a configuration:\n\n%s", data_section(options, preparation.made).c_str());
}

void check(const Parsed& parsed, const Stop& stop) {
  const std::string& root = parsed.text("DIR");
  std::vector<std::string> folders;
  std::error_code ignored;
  if (is_prepared(root)) {
    folders.push_back(root);
  } else {
    for (const auto& entry : fs::directory_iterator(root, ignored)) {
      if (is_prepared(entry.path().string())) folders.push_back(entry.path().string());
    }
    std::sort(folders.begin(), folders.end());
  }
  if (folders.empty()) {
    throw Error(ErrorKind::kData, root, "is no folder of prepared data, nor are there any in it",
                "Make it with `lacuna data prepare`");
  }
  for (const std::string& folder : folders) {
    print_prepared(check_shards(folder, [&] { leave_if(stop); }));
  }
  std::printf("all is as its manifest says\n");
}

}  // namespace

Command make_data_command() {
  return {
      .name = "data",
      .summary = "Convert data once, so that every run reads them at once",
      .subcommands = {
          {.name = "prepare",
           .summary = "Convert the files of a configuration into a folder that replaces them",
           .positionals = {{"CONFIG", "", "", "a configuration or the folder of a run"}},
           .flags = {{"--output", "DIR", "",
                      "Folder for the prepared data; where validation or test have paths of "
                      "their own, it has a folder for each part"},
                     {"--skip-bad", "", "", "Leave out files that cannot be converted"},
                     {"--overwrite", "", "", "Replace what an earlier call has prepared there"}},
           .takes_options = true,
           .run = prepare},
          {.name = "check",
           .summary = "Read all of a prepared folder and compare it with its checksums",
           .positionals = {{"DIR", "", "", "what `data prepare` was given as --output"}},
           .flags = {},
           .run = check}}};
}

}  // namespace lacuna::cli
