#include <algorithm>
#include <filesystem>

#include "data.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/evaluation_windows.h"
#include "lacuna/io/sound.h"
#include "lacuna/io/sound_picture.h"

namespace lacuna::cli {
namespace {

constexpr double kSeconds = 10;

std::vector<int32_t> read(const Part& part, int64_t begin, int64_t count) {
  std::vector<int32_t> symbols(static_cast<size_t>(count));
  part.read(begin, count, symbols.data());
  return symbols;
}

void write_sheet(const std::string& path, const Part& part, const Medium& medium, uint64_t seed) {
  std::vector<std::vector<int32_t>> samples;
  const auto windows = evaluation_windows(part, medium.grid(), medium.sample_size(), 0);
  for (const EvaluationWindow& one : spread_windows(windows, kPictures, seed)) {
    samples.push_back(read(part, one.begin, one.length));
  }
  write_atomic(path, medium.sheet(samples));
}

void write_sound(const std::string& path, const Part& part, const Medium& medium, int64_t begin,
                 int64_t window) {
  const int64_t record = record_at(part, begin), bytes = medium.unit().symbols;
  const int64_t first = part.record_begin(record), end = part.record_begin(record + 1);
  const auto rate =
      static_cast<double>(SoundReader("the samples", medium.file(read(part, begin, bytes))).rate());
  const auto ten = static_cast<int64_t>(kSeconds * rate) * bytes;
  const std::string file =
      medium.file(read(part, begin, std::min(std::max(ten, window), end - begin)));
  SoundReader reader("the samples", file);
  std::vector<float> samples(static_cast<size_t>(reader.frames()));
  (void)reader.read(samples);
  const std::string name = std::filesystem::path(part.record_name(record)).filename().string();
  const double from = static_cast<double>((begin - first) / bytes) / rate;
  const std::string title = str(printable(name), ", from ", fixed(from, 2), " s on");
  write_png(path,
            one_below_another({draw_waveform(title, reader.rate(), samples),
                               draw_spectrogram("", reader.rate(), samples)}),
            2);
}

}  // namespace

void check_picture(const Medium& medium) {
  if (medium.suffix() == ".png" || medium.suffix() == ".wav") return;
  throw Error(ErrorKind::kUsage, "--picture",
              "there is no picture of this data, only of pictures and sound",
              "Leave it out: the symbols are printed");
}

void write_data_picture(const std::string& path, const Dataset& data, uint64_t seed, int64_t begin,
                        int64_t window) {
  check_picture(data.medium());
  if (data.medium().suffix() == ".wav") {
    write_sound(path, data.train(), data.medium(), begin, window);
  } else {
    write_sheet(path, data.train(), data.medium(), seed);
  }
}

}  // namespace lacuna::cli
