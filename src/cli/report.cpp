#include <cstdio>
#include <filesystem>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/command.h"
#include "lacuna/io/drawing.h"
#include "lacuna/train/run_record.h"
#include "report/chart.h"
#include "report/page.h"

namespace lacuna::cli {
namespace {

namespace fs = std::filesystem;

// Whether two names lead to one file, which need not exist.
bool is_same_file(const std::string& a, const std::string& b) {
  const auto place = [](const std::string& name) {
    std::error_code fault;
    const fs::path real = fs::weakly_canonical(fs::absolute(name), fault);
    return fault ? fs::path(name) : real;
  };
  return place(a) == place(b);
}

// The runs that can be read: `runs/*` may name some that have not begun. The others are told on
// stderr. Throws the fault of the only one, or that there is none to show.
std::vector<train::RunRecord> read_runs(const std::vector<std::string>& folders, const Stop& stop) {
  std::vector<train::RunRecord> runs;
  std::vector<std::string> faults;
  for (const std::string& folder : folders) {
    try {
      runs.push_back(train::read_run(folder, [&] { leave_if(stop); }));
    } catch (const Error& error) {
      if (folders.size() == 1) throw;
      faults.emplace_back(error.fault());
    }
  }
  if (runs.empty()) {
    throw Error(ErrorKind::kData, "report",
                "none of the folders has a run to show: " + join(faults, "; "));
  }
  if (!faults.empty()) {
    std::fprintf(stderr, "lacuna: passed over: %s\n", join(faults, "; ").c_str());
  }
  return runs;
}

void run_report(const Parsed& parsed, const Stop& stop) {
  const std::string& output = parsed.text("output");
  std::string png = parsed.text("png");
  if (png.empty()) png = fs::path(output).replace_extension(".png").string();
  if (is_same_file(png, output)) {
    throw Error(ErrorKind::kUsage, "--output", "'" + output + "' is also the name of the picture",
                "The page is HTML: give it a name that ends in .html");
  }
  const std::vector<train::RunRecord> runs = read_runs(parsed.several, stop);
  const StepAxis axis = parsed.is_set("log") ? StepAxis::kLogarithmic : StepAxis::kLinear;
  const std::string page = report_page(runs);
  leave_if(stop);
  write_atomic(output, page);
  write_png(png, draw_chart(runs, axis), 2);
  std::printf("%s and %s: %zu %s\n", output.c_str(), png.c_str(), runs.size(),
              runs.size() == 1 ? "run" : "runs");
}

}  // namespace

Command make_report_command() {
  return {.name = "report",
          .summary = "Write a page that shows one or several runs, and a picture of their curves",
          .positionals = {{"RUN", "", "", "folders of runs, also of one at work", true}},
          .flags = {{"--output", "FILE", "report.html", "The page: HTML in one file"},
                    {"--png", "FILE", "",
                     "The picture; otherwise named as the page, with .png at the end"},
                    {"--log", "", "", "A logarithmic axis of steps in the picture"}},
          .run = run_report};
}

}  // namespace lacuna::cli
