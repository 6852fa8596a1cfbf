#include "lacuna/train/length.h"

#include <cmath>
#include <stdexcept>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

int64_t ceil_div(double amount, int64_t per_step) {
  return static_cast<int64_t>(std::ceil(amount / static_cast<double>(per_step)));
}

}  // namespace

int64_t parse_length(const std::string& text, const StepSize& step, const std::string& option) {
  const size_t blank = text.find_first_of(" \t");
  const std::string unit(blank == std::string::npos ? "" : trimmed(text.substr(blank)));
  const std::string number = text.substr(0, blank);
  try {
    if (unit == "steps" || unit == "step") {
      if (const int64_t steps = parse_count(number); steps >= 0) return steps;
    } else if (unit == "tokens") {
      const auto tokens = static_cast<double>(parse_count(number));
      if (tokens >= 0) return ceil_div(tokens, step.tokens);
    } else if (unit == "epochs" || unit == "epoch") {
      size_t used = 0;
      const double epochs = std::stod(number, &used);
      if (used == number.size() && epochs >= 0 && epochs < 1e9) {
        return ceil_div(epochs * static_cast<double>(step.samples_per_epoch), step.samples);
      }
    }
  } catch (const std::logic_error&) {  // not a number: said below
  }
  throw Error(ErrorKind::kConfig, option, "'" + text + "' is not a length",
              "Write it as 300 steps, 2 epochs or 50M tokens");
}

}  // namespace lacuna::train
