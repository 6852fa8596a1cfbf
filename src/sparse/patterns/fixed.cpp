#include "../arguments.h"
#include "../compose.h"

namespace lacuna::sparse {

PatternPtr make_fixed(const PatternArguments& arguments) {
  const SummaryShape shape = summary_shape(arguments);
  return merge({make_pattern({"block", {shape.l}, {}}),
                make_pattern({"summary", {shape.l, shape.c, shape.n}, {}})},
               summary_text("fixed", shape));
}

}  // namespace lacuna::sparse
