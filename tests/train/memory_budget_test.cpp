#include "lacuna/train/memory_budget.h"

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;
using train::parse_budget;

TEST_CASE("Budgets are read in bytes and as shares, and everything else is refused by name") {
  CHECK_FALSE(parse_budget("auto", 100).has_value());
  CHECK(parse_budget("16GiB", 0) == size_t{16} << 30);
  CHECK(parse_budget(" 1.5 MiB ", 0) == 3 << 19);
  CHECK(parse_budget("6.5GB", 0) == 6'500'000'000);
  CHECK(parse_budget("900kB", 0) == 900'000);
  CHECK(parse_budget("123B", 0) == 123);
  CHECK(parse_budget("16", 0) == 16);
  CHECK(parse_budget("80%", 1000) == 800);
  CHECK(parse_budget("100 %", 1000) == 1000);
  for (const char* text : {"", "GiB", "0GiB", "-1GiB", "1furlong", "0%", "101%", "nanGiB", "infGiB",
                           "1e400GiB", "1 GiB more", "0.1B"}) {
    CAPTURE(text);
    expect_error(ErrorKind::kConfig, "memory.budget", [&] { parse_budget(text, 1000); });
  }
}

TEST_CASE("A budget that is too small is refused with the least that would do") {
  train::check_budget(std::nullopt, 2048, "");
  train::check_budget(2048, 2048, "");
  try {
    train::check_budget(2047, 2048, "Lower something");
    FAIL("nothing was refused");
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
    CHECK(error.fact() == "minimum: 2048 bytes (0.000 GiB)");
    CHECK(std::string(error.what()).find("Lower something.") != std::string::npos);
  }
}
