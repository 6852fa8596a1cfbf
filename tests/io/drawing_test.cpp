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
  CHECK(printable("\xc2\x9b\xc2\xa0") == "\uFFFD\u00a0");  // a control character beyond ASCII
  CHECK(count_unprintable("S\u00f6hne\n\t") == 0);
  CHECK(count_unprintable("a\xff\x1b\r\xc2\x9b\xe2\x82") == 7);
}

TEST_CASE("bytes that come one by one are shown as they are at once", "[drawing]") {
  PrintableStream euro;
  CHECK(euro.add("a\xe2") == "a");
  CHECK(euro.add("\x82").empty());
  CHECK(euro.add("\xac.\xf0\x9f") == "\u20ac.");
  CHECK(euro.finish() == "\uFFFD\uFFFD");
  CHECK(euro.finish().empty());
  // Beginnings, middles and wrong continuations of characters in all orders.
  const std::string some = "a\n\x1b\x80\xbf\xc0\xc3\xe0\xe2\x9f\xed\xa0\xf0\x90\xf4\xf5\xff";
  uint32_t state = 1;
  for (int round = 0; round < 500; ++round) {
    std::string bytes, shown;
    PrintableStream stream;
    for (int i = 0; i < 40; ++i) {
      state = state * 1664525 + 1013904223;
      bytes += some[(state >> 16) % some.size()];
      shown += stream.add(bytes.substr(bytes.size() - 1));
    }
    CHECK(shown + stream.finish() == printable(bytes));
  }
}

TEST_CASE("bytes are shown by their numbers, 16 a line", "[drawing]") {
  CHECK(hex_view("").empty());
  CHECK(hex_view("<Lo\xff\n") ==
        "00000000  3c 4c 6f ff 0a                                    |<Lo..|\n");
  const std::string two = hex_view("0123456789abcdef\x7f");
  CHECK(two.substr(0, two.find('\n')) ==
        "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|");
  CHECK(two.substr(two.find('\n') + 1).starts_with("00000010  7f  "));
}

TEST_CASE("texts are measured and shortened to fit", "[drawing]") {
  const auto label = [](const std::string& text, double size) { return Label{{}, text, {}, size}; };
  CHECK(text_width(label("", 12)) == 0);
  const double one = text_width(label("W", 12)), many = text_width(label("WWWW", 12));
  CHECK(one > 5);
  CHECK(many == Approx(4 * one).epsilon(0.1));
  CHECK(text_width(label("W", 24)) == Approx(2 * one).epsilon(0.1));
  const std::string name = "runs/\u2603\u2603\u2603/of/a/long/name";
  CHECK(fitted(label(name, 12), 1000) == name);
  for (double width = 20; width < text_width(label(name, 12)); width += 10) {
    const std::string shorter = fitted(label(name, 12), width);
    CAPTURE(width, shorter);
    CHECK(text_width(label(shorter, 12)) <= width);
    REQUIRE(shorter.starts_with("..."));
    CHECK(name.ends_with(shorter.substr(3)));
    CHECK(count_unprintable(shorter) == 0);  // no character is cut
  }
  CHECK(fitted(label(name, 12), 0) == "...");
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
