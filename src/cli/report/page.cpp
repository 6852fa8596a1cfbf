#include "page.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "chart.h"
#include "html.h"
#include "lacuna/base/facts.h"
#include "lacuna/base/text.h"
#include "lacuna/cli/curves.h"
#include "lacuna/io/drawing.h"

namespace lacuna::cli {
namespace {

using train::RunRecord;

constexpr const char* kStyle = R"(
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #222830;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 1.75rem; line-height: 1.25; font-weight: 600; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; font-weight: 600; margin: 2.6rem 0 .8rem; padding-top: 1.2rem;
  border-top: 1px solid #e4e6e9; }
h3 { font-size: 1rem; font-weight: 600; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
p { max-width: 44em; margin: .4rem 0 .8rem; overflow-wrap: anywhere; }
.note { color: #5a626c; font-size: .875rem; }
.warning { border-left: 3px solid #d05f0b; padding-left: .8rem; }
code, pre, table.words td { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
code { font-size: .9em; }
svg { display: block; width: 100%; min-width: 640px; height: auto; font-family: inherit; }
.wide, .plot { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .9rem .32rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #eceef0; }
td { overflow-wrap: anywhere; min-width: 7em; max-width: 26em; padding-left: .9rem; }
td + td, thead th + th { border-left: 1px solid #eceef0; }
thead th { border-bottom: 1px solid #9aa1aa; vertical-align: bottom; overflow-wrap: anywhere; }
thead th + th { padding-left: .9rem; }
tbody th { font-weight: 400; color: #414953; min-width: 11em; }
table.words td { font-size: .8125rem; }
details { margin: 1rem 0; }
pre.bytes { white-space: pre; overflow-x: auto; }
img.sample { display: block; max-width: 100%; height: auto; margin: .4rem 0 1rem;
  image-rendering: pixelated; }
audio { display: block; margin: .4rem 0; }
summary { cursor: pointer; color: #1b62a5; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f7f8; padding: .9rem 1.1rem;
  margin: .4rem 0 1rem; font-size: .8125rem; line-height: 1.5; border-radius: 4px; }
.axis { position: absolute; opacity: 0; }
.choice { display: flex; gap: .5rem; justify-content: flex-end; font-size: .875rem; }
.choice label { padding: .1rem .7rem; border: 1px solid #c6cbd1; border-radius: 4px;
  cursor: pointer; }
#linear:checked ~ .choice .linear, #logarithmic:checked ~ .choice .logarithmic {
  background: #1b62a5; border-color: #1b62a5; color: #fff; }
#linear:focus-visible ~ .choice .linear, #logarithmic:focus-visible ~ .choice .logarithmic {
  outline: 2px solid #222830; outline-offset: 2px; }
#linear:checked ~ .plot.logarithmic, #logarithmic:checked ~ .plot.linear { display: none; }
@media print { .choice { display: none; } main { padding: 0; } }
)";

std::string lead(const RunRecord& run) {
  std::string text = str(state_text(run.state),
                         run.state == train::RunState::kInProgress ? ", so far " : " after ",
                         grouped(run.last_step()), " steps and ", human_seconds(run.seconds));
  const train::RecordedEvaluation* last = last_evaluation(run);
  if (last == nullptr) return text + "; not evaluated yet.";
  text += str("; ", fixed(last->bits, 4), ' ', run.unit.bits(), " on ", set_text(last->split), " (",
              last->weights == "average" ? "averaged" : "raw", " weights, step ",
              grouped(last->step), subset_text(*last), ")");
  if (run.floor_bits()) text += str(", the floor of the source is ", fixed(*run.floor_bits(), 4));
  return text + ".";
}

// Radio buttons choose the axis by style sheet alone; without one both plots are there.
std::string curves_section(const std::vector<RunRecord>& runs) {
  std::string text = "<h2>Curves</h2>\n<div>\n";
  text +=
      "<input class=\"axis\" type=\"radio\" name=\"axis\" id=\"linear\" checked>\n"
      "<input class=\"axis\" type=\"radio\" name=\"axis\" id=\"logarithmic\">\n"
      "<div class=\"choice\"><label class=\"linear\" for=\"linear\">linear</label>"
      "<label class=\"logarithmic\" for=\"logarithmic\">logarithmic</label></div>\n";
  text += "<div class=\"plot linear\">\n" +
          svg_text(draw_chart(runs, StepAxis::kLinear), "linear") +
          "</div>\n<div class=\"plot logarithmic\">\n" +
          svg_text(draw_chart(runs, StepAxis::kLogarithmic), "logarithmic") + "</div>\n</div>\n";
  return text +
         "<p class=\"note\">The smooth training curve is a mean whose weights fall to both "
         "sides by a factor of e in a hundredth of the run's steps, or in half their square root "
         "where that is more, at the beginning in an eighth of the steps so far; training bits "
         "include dropout and precede each update. Evaluations are those of the first validation "
         "set, after the first step. On the linear axis a steep beginning is cut off above. Point "
         "at a mark to read its value.</p>\n";
}

std::string data_warning(const std::vector<RunRecord>& runs) {
  const bool same = std::all_of(runs.begin(), runs.end(), [&](const RunRecord& run) {
    return data_of(run) == data_of(runs.front());
  });
  if (same) return "";
  return "<p class=\"warning\">The runs were trained on different data: their bits cannot be "
         "compared.</p>\n";
}

std::string title_of(const std::vector<RunRecord>& runs) {
  if (runs.size() == 1) return runs.front().folder;
  return str(runs.size(), " training runs");
}

}  // namespace

std::string report_page(const std::vector<RunRecord>& runs) {
  const std::string title = title_of(runs);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
      html_element("title", title + " \u2013 lacuna report") + "<style>" + kStyle +
      "</style>\n</head>\n<body>\n<main>\n" + html_element("h1", title);
  constexpr size_t kMostLeads = 4;  // the table of results has them all
  for (const RunRecord& run : runs) {
    if (runs.size() > kMostLeads) break;
    text += html_element("p", (runs.size() > 1 ? run.folder : "This run") + ": " + lead(run));
  }
  text += data_warning(runs) + curves_section(runs) + "<h2>Results</h2>\n" + results_table(runs) +
          "<p class=\"note\">The unit is " + unit_text(runs) + ".</p>\n<h2>Configuration</h2>\n" +
          options_tables(runs) + samples_section(runs) + "<h2>Environment</h2>\n" +
          environment_table(runs);
  text += "<p class=\"note\">" +
          markup_escaped(str("Written by lacuna ", build_facts().version, " on ",
                             date_text(std::chrono::duration<double>(now).count()),
                             ". Bits are the mean of \u2212log2 p over every position of "
                             "a part, each scored once; p is what the model gave the symbol that "
                             "came.")) +
          "</p>\n";
  return text + "</main>\n</body>\n</html>\n";
}

}  // namespace lacuna::cli
