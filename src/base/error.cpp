#include "lacuna/base/error.h"

#include <algorithm>
#include <utility>

namespace lacuna {

Error::Error(ErrorKind kind, const std::string& place, const std::string& message,
             const std::string& hint)
    : kind_(kind), paragraph_(place + ": " + message), fault_size_(paragraph_.size()) {
  if (paragraph_.back() == '.') --fault_size_;
  if (paragraph_.back() != '.' && paragraph_.back() != '?') paragraph_ += '.';
  if (!hint.empty()) {
    paragraph_ += ' ' + hint;
    if (paragraph_.back() != '.' && paragraph_.back() != '?') paragraph_ += '.';
  }
  // One paragraph, whatever was quoted in it.
  std::replace(paragraph_.begin(), paragraph_.end(), '\n', ' ');
}

Error Error::with_fact(std::string fact) const {
  Error error = *this;
  error.fact_ = std::move(fact);
  return error;
}

int Error::exit_code() const {
  return kind_ == ErrorKind::kUsage || kind_ == ErrorKind::kConfig || kind_ == ErrorKind::kData ? 2
                                                                                                : 1;
}

void require(bool condition, const char* place, const char* message) {
  if (!condition) throw Error(ErrorKind::kInternal, place, message);
}

}  // namespace lacuna
