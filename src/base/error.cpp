#include "lacuna/base/error.h"

#include <algorithm>
#include <utility>

namespace lacuna {

Error::Error(ErrorKind kind, std::string place, std::string message, std::string hint)
    : kind_(kind), place_(std::move(place)) {
  paragraph_ = place_ + ": " + message;
  if (paragraph_.back() != '.' && paragraph_.back() != '?') paragraph_ += '.';
  if (!hint.empty()) {
    paragraph_ += ' ' + hint;
    if (paragraph_.back() != '.' && paragraph_.back() != '?') paragraph_ += '.';
  }
  std::replace(paragraph_.begin(), paragraph_.end(), '\n',
               ' ');  // one paragraph, whatever was quoted
}

int Error::exit_code() const {
  return kind_ == ErrorKind::kUsage || kind_ == ErrorKind::kConfig || kind_ == ErrorKind::kData ? 2
                                                                                                : 1;
}

void require(bool condition, const char* place, const char* message) {
  if (!condition) throw Error(ErrorKind::kInternal, place, message);
}

}  // namespace lacuna
