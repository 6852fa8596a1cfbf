#include "../arguments.h"
#include "../compose.h"

namespace lacuna::sparse {

PatternPtr make_strided(const PatternArguments& arguments) {
  expect_arguments(arguments, 1, 1, {"window"});
  const int64_t l = positive(arguments, 0, "l");
  std::map<std::string, std::string> words;
  if (has_paper_window(arguments)) words["window"] = "paper";
  return merge({make_pattern({"local", {l}, words}), make_pattern({"column", {l}, {}})},
               call_text("strided", {l}, words));
}

}  // namespace lacuna::sparse
