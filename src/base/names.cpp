#include "lacuna/base/names.h"

#include "lacuna/base/text.h"

namespace lacuna {

Error unknown_name(ErrorKind kind, const std::string& place, const std::string& what,
                   const std::string& name, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(name, known);
  return {kind, place, str("there is no ", what, " '", name, "'"),
          nearest.empty() ? "Known: " + join(known, ", ") : "Did you mean '" + nearest + "'?"};
}

}  // namespace lacuna
