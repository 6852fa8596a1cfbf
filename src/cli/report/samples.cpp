// The samples of runs in the page of `lacuna report`.
#include <algorithm>

#include "html.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/io/drawing.h"
#include "lacuna/io/picture.h"
#include "lacuna/io/sound.h"
#include "lacuna/io/sound_picture.h"
#include "lacuna/train/setup.h"
#include "page.h"

namespace lacuna::cli {
namespace {

using train::RecordedSample;
using train::RunRecord;

std::string note(const std::string& text) {
  return "<p class=\"note\">" + markup_escaped(text) + "</p>\n";
}

// Bytes of programs or of a format that is not known would be a row of signs that say nothing.
std::string pre(const RecordedSample& sample) {
  const bool binary = !is_text(sample.text);
  constexpr size_t kMostBytes = 1024;  // by their numbers: 64 lines
  const bool whole = sample.whole && !(binary && sample.text.size() > kMostBytes);
  const std::string shown = binary ? hex_view(sample.text.substr(0, kMostBytes)) : sample.text;
  return (binary ? note("More than a third of these bytes are no printable text: here they are in "
                        "hexadecimal.") +
                       "<pre class=\"bytes\">"
                 : "<pre>") +
         markup_escaped(shown) + (whole ? "" : "\n\u2026 (the file goes on)") + "</pre>\n";
}

// Small pictures are enlarged by a whole number, so that their pixels stay squares.
std::string picture_element(const RecordedSample& sample) {
  constexpr int64_t kMostWidth = 560, kMostTimes = 4;
  const Picture picture = decode_picture(sample.text, sample.name, {.pixels = 1 << 24});
  const int64_t times = std::clamp<int64_t>(kMostWidth / picture.width, 1, kMostTimes);
  return str("<img class=\"sample\" width=\"", times * picture.width, "\" height=\"",
             times * picture.height, "\" alt=\"", markup_escaped(sample.name), "\" src=\"",
             html_data("image/png", sample.text), "\">\n");
}

// `number` tells the waveforms of a page apart, whose names have letters only.
std::string sound_element(const RecordedSample& sample, int64_t number) {
  constexpr int64_t kMostFrames = 1 << 23;
  SoundReader reader(sample.name, sample.text);
  if (reader.frames() > kMostFrames) return note("The sound is too long to be shown in this page.");
  std::vector<float> samples;
  stream_sound(reader, reader.rate(), [&](std::span<const float> piece) {
    samples.insert(samples.end(), piece.begin(), piece.end());
  });
  std::string name = "wave";
  for (; number > 0; number /= 26) name += static_cast<char>('a' + number % 26);
  return "<audio controls preload=\"metadata\" src=\"" + html_data("audio/wav", sample.text) +
         "\"></audio>\n<div class=\"wide\">" +
         svg_text(draw_waveform(sample.name, reader.rate(), samples), name) + "</div>\n";
}

std::string element(const RecordedSample& sample, int64_t number) {
  const bool picture = sample.name.ends_with(".png"), sound = sample.name.ends_with(".wav");
  if (!picture && !sound) return pre(sample);
  if (!sample.whole) {
    return note(str("The file of ", human_bytes(sample.size),
                    " is too large to be shown in this page; it is in the folder samples of the "
                    "run."));
  }
  try {
    return picture ? picture_element(sample) : sound_element(sample, number);
  } catch (const Error& failure) {
    return note(failure.what());
  }
}

// `run` is one without samples.
std::string missing_note(const RunRecord& run, bool alone) {
  return str("<p>",
             alone ? "This run has no samples." : "Runs that are not named here have no samples.",
             " With <code>--train.sample_every \"500 steps\"</code> a run draws some while it "
             "trains; <code>lacuna sample RUN --output RUN/samples/NAME",
             train::medium_of(run.options)->suffix(),
             "</code> adds one afterwards (make the folder first).</p>\n");
}

}  // namespace

std::string samples_section(const std::vector<RunRecord>& runs) {
  std::string text = "<h2>Samples</h2>\n";
  const RunRecord* missing = nullptr;  // the first
  int64_t number = 0;
  for (const RunRecord& run : runs) {
    if (run.samples.empty()) {
      if (missing == nullptr) missing = &run;
      continue;
    }
    text += html_element("h3", run.folder + ": " + run.samples.back().name) +
            element(run.samples.back(), ++number);
    std::string older;
    for (size_t i = run.samples.size() - 1; i-- > 0;) {
      older += html_element("h3", run.samples[i].name) + element(run.samples[i], ++number);
    }
    if (!older.empty()) text += html_folded("Earlier samples", older);
  }
  return missing != nullptr ? text + missing_note(*missing, runs.size() == 1) : text;
}

}  // namespace lacuna::cli
