#include "lacuna/train/run_record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kPieceLines = 1024;

double number(const Json& value) {
  return value.is_null() ? std::nan("") : value.get<double>();
}

// Calls take(line) for every line; `what` says what the lines are for a message. The last one may
// lack its end, while a run is at work or after a crash: then it does not count.
template <class Take>
void read_lines(const std::string& path, const BetweenPieces& between_pieces, const Take& take) {
  const std::string text = read_text(path);
  int64_t line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) return;
    if (++line_number % kPieceLines == 0 && between_pieces) between_pieces();
    try {
      take(Json::parse(text.begin() + static_cast<int64_t>(begin),
                       text.begin() + static_cast<int64_t>(end)));
    } catch (const Json::exception&) {
      throw Error(ErrorKind::kData, str(path, ":", line_number),
                  "the line is damaged: it is not what a run writes",
                  "--resume auto removes lines that are no JSON; a copy may be whole");
    }
    begin = end + 1;
  }
}

void take_metrics(const Json& line, RunRecord& run, bool& early) {
  const std::string kind = line.at("kind");
  const int64_t step = line.at("step");
  if (kind == "train") {
    early = false;
    run.steps.push_back({.step = step,
                         .tokens = line.at("tokens"),
                         .bits = number(line.at("bits")),
                         .tokens_per_second = number(line.at("tokens_per_second")),
                         .skipped = line.at("skipped")});
  } else if (kind == "evaluation") {
    run.evaluations.push_back(
        {.step = step,
         .split = line.at("split"),
         .weights = line.at("weights"),
         .bits = number(line.at("bits")),
         .positions = line.at("positions"),
         .windows = line.at("windows"),
         .windows_in_part = line.value("windows_in_part", line.at("windows").get<int64_t>()),
         .min_context = line.at("min_context"),
         .data = line.at("data")});
  } else if (kind == "early_stop") {
    early = true;
  }
}

// The clock of `seconds` begins anew with each process.
void read_metrics(const RunFolder& folder, RunRecord& run, bool& early,
                  const BetweenPieces& between_pieces) {
  double before = 0, last = 0;
  read_lines(folder.metrics(), between_pieces, [&](const Json& line) {
    take_metrics(line, run, early);
    const double seconds = number(line.at("seconds"));
    if (seconds < last) before += last;
    last = seconds;
    run.finished_at = number(line.at("time"));
  });
  run.seconds = before + last;
}

RecordedStart start_of(const Json& line) {
  RecordedStart start{.step = line.at("step"),
                      .time = line.at("time"),
                      .lacuna = line.at("lacuna"),
                      .build = line.at("build"),
                      .compiler = line.at("compiler"),
                      .cpu_code = line.at("cpu_code"),
                      .cuda_toolkit = line.at("cuda_toolkit"),
                      .processor = line.at("processor"),
                      .system = line.at("system"),
                      .memory_bytes = line.at("memory_bytes"),
                      .threads = line.at("threads"),
                      .parameters = line.at("parameters"),
                      .steps_total = line.at("steps_total"),
                      .tokens_per_step = line.at("tokens_per_step"),
                      .data = line.at("data"),
                      .data_description = line.at("data_description")};
  if (!line.at("floor_bits").is_null()) start.floor_bits = line.at("floor_bits").get<double>();
  return start;
}

// Numbers within names count as numbers: step-900 comes before step-1200.
bool before(const std::string& a, const std::string& b) {
  const auto key = [](const std::string& name) {
    std::string padded, digits;
    for (const char c : name + '\0') {
      if (c >= '0' && c <= '9') {
        digits += c;
        continue;
      }
      if (!digits.empty()) {
        padded += std::string(20 - std::min<size_t>(20, digits.size()), '0') + digits;
      }
      digits.clear();
      padded += c;
    }
    return padded;
  };
  return key(a) < key(b);
}

RecordedSample read_sample(const fs::path& path, int64_t most) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  RecordedSample sample{.name = path.filename().string(),
                        .text = std::string(static_cast<size_t>(most), '\0'),
                        .size = fs::file_size(path, ignored)};
  file.read(sample.text.data(), most);
  sample.text.resize(static_cast<size_t>(file.gcount()));
  sample.whole = file.peek() == std::ifstream::traits_type::eof();
  if (!sample.whole) sample.text.resize(without_open_end(sample.text).size());
  return sample;
}

// What `lacuna sample` keeps beside its samples, or has not finished.
bool is_sample(const fs::path& path) {
  const std::string suffix = path.extension().string();
  return path.filename() != "samples.json" && suffix != ".part" && !suffix.starts_with(".tmp-");
}

// Of pictures and sound a part is worth nothing; the newest come first where not all find room.
std::vector<RecordedSample> read_samples_of(const std::string& folder) {
  constexpr int64_t kMostText = 4096, kMostFile = 4 << 20;  // bytes that are read of each
  int64_t left = 16 << 20;                                  // for whole files in all
  std::vector<fs::path> paths;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored) && is_sample(entry.path())) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end(), [](const fs::path& a, const fs::path& b) {
    return before(b.filename().string(), a.filename().string());
  });
  std::vector<RecordedSample> samples;
  for (const fs::path& path : paths) {
    const std::string suffix = path.extension().string();
    const bool file = suffix == ".png" || suffix == ".wav";
    samples.push_back(read_sample(path, file ? std::min(left, kMostFile) : kMostText));
    if (file && samples.back().whole) left -= std::ssize(samples.back().text);
  }
  std::reverse(samples.begin(), samples.end());
  return samples;
}

}  // namespace

int64_t RunRecord::last_step() const {
  const int64_t trained = steps.empty() ? 0 : steps.back().step;
  return evaluations.empty() ? trained : std::max(trained, evaluations.back().step);
}

std::optional<double> RunRecord::floor_bits() const {
  return starts.empty() ? std::nullopt : starts.back().floor_bits;
}

RunRecord read_run(const std::string& path, const BetweenPieces& between_pieces) {
  const RunFolder folder(path);
  if (!folder.has_config()) {
    throw Error(ErrorKind::kData, path, "is no folder of a run: it has no config.toml",
                "Give the folder that `lacuna train` wrote, such as runs/quickstart");
  }
  RunRecord run{.folder = path, .options = read_options(folder.config(), {})};
  bool early = false;
  if (exists(folder.metrics())) read_metrics(folder, run, early, between_pieces);
  if (run.steps.empty() && run.evaluations.empty()) {
    throw Error(ErrorKind::kData, folder.metrics(), "the run has not recorded a step",
                "Wait for its first one, or leave the run out");
  }
  if (exists(folder.starts())) {
    read_lines(folder.starts(), between_pieces,
               [&](const Json& line) { run.starts.push_back(start_of(line)); });
  }
  run.unit = medium_of(run.options)->unit();
  run.samples = read_samples_of(folder.samples());
  const bool complete = !run.starts.empty() && run.last_step() >= run.starts.back().steps_total;
  if (folder.is_in_use()) {
    run.state = RunState::kInProgress;
  } else if (early) {
    run.state = RunState::kEndedEarly;
  } else if (exists(folder.weights()) && (complete || run.starts.empty())) {
    run.state = RunState::kFinished;
  }
  return run;
}

}  // namespace lacuna::train
