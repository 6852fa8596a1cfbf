#include "lacuna/io/drawing.h"

#include <cstring>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"

using namespace lacuna;

TEST_CASE("what has a meaning in HTML is escaped, and every text becomes UTF-8", "[drawing]") {
  CHECK(markup_escaped("a<b> & \"c\" 'd'") == "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  CHECK(markup_escaped("S\u00f6hne \u2192 \U0001F600\n\t.") == "S\u00f6hne \u2192 \U0001F600\n\t.");
  CHECK(printable("a\xffz") == "a\uFFFDz");
  CHECK(printable("\xc3") == "\uFFFD");                      // cut off
  CHECK(printable("\xc0\xaf") == "\uFFFD\uFFFD");            // longer than needed
  CHECK(printable("\xed\xa0\x80") == "\uFFFD\uFFFD\uFFFD");  // half of a pair
  CHECK(printable("\xf4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(printable(std::string_view("\0\x1b\x7f", 3)) == "\u2400\u241B\u2421");
}

TEST_CASE("an SVG escapes texts, numbers its clips and loads nothing", "[drawing]") {
  Drawing drawing{.width = 100, .height = 50.5, .title = "a \"title\""};
  drawing.add(Line{{{0, 0}, {10, 20.123456}}, {0x12, 0xab, 0xff, 0.5}, 2, 4});
  drawing.add(Label{{5, 6}, "<script>", {}});
  drawing.add(Dot{{1, 2}, 3, {}, false, "a & b"});
  drawing.add(Clip{0, 0, 50, 50, {Line{{{0, 0}, {90, 90}}, {}}}});
  const std::string svg = svg_text(drawing, "name");
  const auto has = [&](const char* part) { return svg.find(part) != std::string::npos; };
  CHECK(has("viewBox=\"0 0 100 50.5\""));
  CHECK(has("aria-label=\"a &quot;title&quot;\""));
  CHECK(has("points=\"0,0 10,20.12\""));
  CHECK(has("stroke=\"#12abff\" stroke-opacity=\"0.5\""));
  CHECK(has("&lt;script&gt;"));
  CHECK(has("<title>a &amp; b</title>"));
  CHECK(has("id=\"name-clip0\""));
  CHECK(has("url(#name-clip0)"));
  CHECK_FALSE(has("http"));
}

TEST_CASE("a PNG has the size asked for; a folder that is not there is an error", "[drawing]") {
  const TempFolder folder;
  Drawing drawing{.width = 30, .height = 20.2};
  drawing.add(Box{0, 0, 10, 10, {1, 2, 3}});
  drawing.add(Label{{5, 15}, "a\xff", {}});
  write_png(folder / "a.png", drawing, 2);
  const std::string png = read_text(folder / "a.png");
  REQUIRE(png.size() > 33);
  CHECK(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  CHECK(std::memcmp(png.data() + 16, "\0\0\0\x3c\0\0\0\x29", 8) == 0);  // 60 by 41
  expect_error(ErrorKind::kIo, "none", [&] { write_png(folder / "none/a.png", drawing, 1); });
}
