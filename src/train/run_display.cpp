#include "lacuna/train/run_display.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "lacuna/base/log.h"
#include "lacuna/base/terminal.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

constexpr std::chrono::seconds kFirstPatience{15}, kLastPatience{60};
constexpr std::chrono::milliseconds kMoment{900};

struct Field {
  std::string text;
  int rank;  // the highest is left out first
};

// In the order in which they stand on the line.
std::vector<Field> fields_of(const DisplayLine& line) {
  std::vector<Field> fields;
  const auto add = [&](bool known, int rank, const std::string& text) {
    if (known) fields.push_back({text, rank});
  };
  add(line.total > 0, 0, str("step ", line.step, "/", line.total));
  add(!line.doing.empty(), 1, line.doing);
  add(!line.place.empty(), 5, line.place);
  add(line.bits.has_value(), 3, str("loss ", fixed(line.bits.value_or(0), 4), ' ', line.unit));
  add(line.tokens_per_second > 0, 4,
      grouped(static_cast<int64_t>(line.tokens_per_second)) + " tokens/s");
  add(line.seconds_left.has_value(), 2, "ETA " + human_seconds(line.seconds_left.value_or(0)));
  add(line.share_of_peak > 0, 6, fixed(100 * line.share_of_peak, 0) + "% of peak");
  add(line.memory > 0, 7, human_bytes(line.memory) + " planned");
  return fields;
}

std::string joined(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) text += (text.empty() ? "" : "  ") + field.text;
  return text;
}

}  // namespace

std::string text_of(const DisplayLine& line, size_t columns) {
  std::vector<Field> fields = fields_of(line);
  std::string text = joined(fields);
  while (text.size() > columns && fields.size() > 1) {
    fields.erase(std::max_element(fields.begin(), fields.end(),
                                  [](const Field& a, const Field& b) { return a.rank < b.rank; }));
    text = joined(fields);
  }
  return text.substr(0, columns);
}

RunDisplay::RunDisplay(int64_t plain_every)
    : live_(terminal_obeys()), plain_every_(plain_every), patience_(kFirstPatience) {}

RunDisplay::~RunDisplay() {
  clear_live_line();
}

void RunDisplay::show(const DisplayLine& line) {
  const std::lock_guard lock(mutex_);
  if (live_) paint(line);
  if (line.step % plain_every_ != 0 && line.step != 1 && line.step != line.total) return;
  plain(line);
  patience_ = kFirstPatience;
}

void RunDisplay::show_at_work(const DisplayLine& line) {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  if (live_ && now - painted_ >= kMoment) paint(line);
  if (now - last_plain_ < patience_) return;
  plain(line);
  patience_ = std::min(2 * patience_, kLastPatience);
}

// The last column stays free: a character there makes some terminals begin a new row.
void RunDisplay::paint(const DisplayLine& line) {
  const auto columns = static_cast<size_t>(std::max(terminal_columns() - 1, 1));
  show_live_line(text_of(line, columns));
  painted_ = Clock::now();
}

// To the log file alone where the live line shows the same.
void RunDisplay::plain(const DisplayLine& line) {
  const std::string text = text_of(line, std::numeric_limits<size_t>::max());
  if (live_) {
    log_quiet(text);
  } else {
    log_info(text);
  }
  last_plain_ = Clock::now();
}

}  // namespace lacuna::train
