#include "lacuna/io/json_line.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"

using namespace lacuna;

TEST_CASE("a JSON line keeps the order of its members and the type of each") {
  const std::string name = "run";
  const std::string text = JsonLine()
                               .add("step", int64_t{-3})
                               .add("small", 7)
                               .add("seed", std::numeric_limits<uint64_t>::max())
                               .add("loss", 0.1)
                               .add("whole", 2.0)
                               .add("half", 0.5f)
                               .add("skipped", false)
                               .add("literal", "text")
                               .add("name", name)
                               .add("view", std::string_view("v"))
                               .add_json("list", "[1,2]")
                               .text();
  CHECK(text ==
        R"({"step":-3,"small":7,"seed":18446744073709551615,"loss":0.1,"whole":2.0,"half":0.5,)"
        R"("skipped":false,"literal":"text","name":"run","view":"v","list":[1,2]})");
  CHECK(JsonLine().text() == "{}");
}

TEST_CASE("doubles in a JSON line read back exactly and non-finite ones are null") {
  for (const double value : {1.0 / 3, 1e22, 5e-324, -0.0, 1.7976931348623157e308, 123456789.125}) {
    const std::string text = JsonLine().add("x", value).text();
    const double back = std::strtod(text.c_str() + 5, nullptr);
    CHECK(back == value);
    CHECK(std::signbit(back) == std::signbit(value));
  }
  CHECK(JsonLine().add("x", std::nan("")).add("y", -HUGE_VAL).text() == R"({"x":null,"y":null})");
}

TEST_CASE("text in a JSON line is escaped") {
  CHECK(JsonLine().add("a\"\n", "\\ \t\x01 \xc3\xa9").text() ==
        "{\"a\\\"\\n\":\"\\\\ \\t\\u0001 \xc3\xa9\"}");
  CHECK(JsonLine().add("path", "x\xff").text() == "{\"path\":\"x\xef\xbf\xbd\"}");
}

TEST_CASE("lines reach the file at once and later runs append to it") {
  const TempFolder folder;
  const std::string path = folder / "metrics.jsonl";
  {
    JsonlFile file(path);
    file.append(JsonLine().add("step", 1));
    CHECK(read_text(path) == "{\"step\":1}\n");
    file.append(JsonLine().add("step", 2));
  }
  JsonlFile(path).append(JsonLine().add("step", 3));
  CHECK(read_text(path) == "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
}

TEST_CASE("a line that a crash has cut short is ended before the next one") {
  const TempFolder folder;
  const std::string path = folder.put("metrics.jsonl", "{\"step\":1}\n{\"st");
  JsonlFile(path).append(JsonLine().add("step", 2));
  CHECK(read_text(path) == "{\"step\":1}\n{\"st\n{\"step\":2}\n");
}

TEST_CASE("a metrics file that cannot be opened or written is an io error") {
  const TempFolder folder;
  expect_error(ErrorKind::kIo, "No such file", [&] { JsonlFile{folder / "no/file"}; });
  expect_error(ErrorKind::kIo, "directory", [&] { JsonlFile{folder.path()}; });
  expect_error(ErrorKind::kIo, "No space",
               [] { JsonlFile("/dev/full").append(JsonLine().add("step", 1)); });
}
