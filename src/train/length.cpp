#include "lacuna/train/length.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

int64_t ceil_div(double amount, int64_t per_step) {
  // 0.07 * 100 = 7.000000000000001: what misses a whole number by rounding alone is that number.
  const double quotient = amount / static_cast<double>(per_step), nearest = std::round(quotient);
  const double rounding = 4 * std::numeric_limits<double>::epsilon() * quotient;
  return static_cast<int64_t>(std::abs(quotient - nearest) <= rounding ? nearest
                                                                       : std::ceil(quotient));
}

}  // namespace

int64_t parse_length(const std::string& text, const StepSize& step, const std::string& option) {
  const size_t blank = text.find_first_of(" \t");
  const std::string unit(blank == std::string::npos ? "" : trimmed(text.substr(blank)));
  const std::string number = text.substr(0, blank);
  try {
    if (unit == "steps" || unit == "step") {
      if (const int64_t steps = parse_count(number); steps >= 0) return steps;
    } else if (unit == "tokens" || unit == "token") {
      const auto tokens = static_cast<double>(parse_count(number));
      if (tokens >= 0) return ceil_div(tokens, step.tokens);
    } else if (unit == "epochs" || unit == "epoch") {
      double epochs = -1;
      const char* end = number.data() + number.size();
      const auto [stop, status] = std::from_chars(number.data(), end, epochs);
      if (status == std::errc() && stop == end && epochs >= 0 && epochs < 1e9) {
        return ceil_div(epochs * static_cast<double>(step.samples_per_epoch), step.samples);
      }
    }
  } catch (const std::logic_error&) {  // not a number: said below
  }
  throw Error(ErrorKind::kConfig, option, "'" + text + "' is not a length",
              "Write it as 300 steps, 2 epochs or 50M tokens");
}

}  // namespace lacuna::train
