// Format "audio" and the rules for records that stay apart. tests/system/test_audio.py drives the
// binary on the same and compares every sample.
#include <atomic>
#include <string>
#include <vector>

#include "../catch.h"
#include "../expect_error.h"
#include "../io/wav_bytes.h"
#include "../temp_folder.h"
#include "lacuna/data/evaluation_windows.h"
#include "lacuna/data/records.h"

using namespace lacuna;

namespace {

FormatValues values(const std::string& code = "mu-law") {
  return FormatValues({{"rate", int64_t{12'000}}, {"code", code}});
}

/// 16-bit samples 100, 200, ... from one file to the next.
std::vector<std::string> sounds(const TempFolder& folder, const std::vector<int>& lengths) {
  std::vector<std::string> paths;
  int value = 0;
  for (const int length : lengths) {
    std::string data;
    for (int i = 0; i < length; ++i) data += number_bytes(static_cast<uint64_t>(value += 100), 2);
    paths.push_back(folder.put(std::to_string(paths.size()) + ".wav",
                               wav_bytes(format_16({.rate = 12'000}), data)));
  }
  return paths;
}

}  // namespace

TEST_CASE("sounds that are shorter than a window are joined to train on and scored by themselves") {
  const TempFolder folder;
  const auto data = open_dataset({.format = "audio",
                                  .paths = sounds(folder, {5, 3, 10, 2, 2}),
                                  .split = "1 / 0",
                                  .values = values()});
  const Part& part = data->train();
  CHECK(part.records() == 5);
  CHECK(part.records_apart());
  CHECK(training_stretches(part, 6) == std::vector<int64_t>{0, 8});
  CHECK(training_stretches(part, 2) == std::vector<int64_t>{0, 5, 8, 18, 20});
  CHECK(training_stretches(part, 22) == std::vector<int64_t>{0});
  std::vector<std::vector<int64_t>> windows;
  for (const EvaluationWindow& one : evaluation_windows(part, data->medium().grid(), 6, 2)) {
    windows.push_back({one.begin, one.length, one.score_begin});
  }
  CHECK(windows == std::vector<std::vector<int64_t>>{
                       {0, 5, 0}, {5, 3, 0}, {8, 6, 0}, {12, 6, 2}, {18, 2, 0}, {20, 2, 0}});
  CHECK(short_records(*data, 6) ==
        "files shorter than the context of 6: 4 of 5 of train; they are joined with their "
        "neighbours to train on, and each is scored by itself");
  CHECK(short_records(*data, 2).empty());
  CHECK(part.record_name(2) == folder / "2.wav");
}

TEST_CASE("data.split gives whole sounds to each part, and cuts a lone one with a note") {
  const TempFolder folder;
  const auto opened = [&](const std::vector<int>& lengths, const std::string& split) {
    return open_dataset({.format = "audio",
                         .paths = sounds(folder, lengths),
                         .split = split,
                         .values = values("16-bit")});
  };
  const auto sizes = [](const Dataset& data) {
    return std::vector<int64_t>{data.train().size(), data.part(Split::kValid).size(),
                                data.test().size()};
  };
  CHECK(sizes(*opened({50, 40, 5, 5}, "0.9 / 0.05 / 0.05")) == std::vector<int64_t>{180, 10, 10});
  CHECK(sizes(*opened({10, 10, 80}, "")) == std::vector<int64_t>{20, 20, 160});
  CHECK(sizes(*opened({10, 20, 30, 40}, "1 / 2 / 1")) == std::vector<int64_t>{20, 100, 80});
  CHECK(opened({50, 40, 5, 5}, "")->describe().find("cuts through") == std::string::npos);
  const auto lone = opened({33}, "0.5 / 0.5");
  CHECK(sizes(*lone) == std::vector<int64_t>{32, 34, 0});  // bytes: no sample is cut
  CHECK(lone->describe().ends_with("; data.split cuts through " + folder / "0.wav"));
  expect_error(ErrorKind::kConfig, "but the data has 1 files", [&] { opened({33}, "2 / 1"); });
}

TEST_CASE("as many files are converted at once as fit in memory, and come in their order") {
  for (const int64_t megabytes : {0, 100, 300}) {
    std::atomic<int> begun = 0;
    std::vector<int> begun_then;
    std::string records;
    class Sink final : public RecordSink {
     public:
      explicit Sink(std::string& records) : records_(records) {}
      void add(std::span<const uint8_t> symbols) override {
        records_.append(symbols.begin(), symbols.end());
      }
      void end_record() override { records_ += '.'; }
      void end_file(const std::string& file) override { records_ += file + ' '; }
      void drop_file(const std::string&, const std::string&) override { records_ += "dropped "; }

     private:
      std::string& records_;
    } sink(records);
    const Converter converter{.convert =
                                  [&](const std::string& file, RecordSink& to) {
                                    ++begun;
                                    if (file == "c") throw Error(ErrorKind::kData, file, "bad");
                                    const std::vector<uint8_t> symbols(2, uint8_t(file[0]));
                                    to.add(symbols);
                                    to.end_record();
                                  },
                              .symbols = [&](const std::string&) { return megabytes << 20; },
                              .skip_bad = true};
    const BadFiles bad = convert_files({"a", "b", "c", "d", "e"}, converter, sink,
                                       [&](size_t) { begun_then.push_back(begun); });
    CHECK(records == "aa.a bb.b dropped dd.d ee.e ");
    CHECK(bad.size() == 1);
    const std::vector<int> expected = megabytes == 0     ? std::vector<int>{5, 5, 5, 5, 5}
                                      : megabytes == 100 ? std::vector<int>{2, 2, 4, 4, 5}
                                                         : std::vector<int>{1, 2, 3, 4, 5};
    CHECK(begun_then == expected);
  }
}
