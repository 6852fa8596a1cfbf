#include "html.h"

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "lacuna/base/text.h"
#include "lacuna/io/drawing.h"

namespace lacuna::cli {

HtmlTable::HtmlTable(const std::vector<std::string>& head, bool words) : words_(words) {
  for (const std::string& name : head) {
    head_ += "<th scope=\"col\">" + markup_escaped(name) + "</th>";
  }
}

void HtmlTable::add_row(const HtmlCell& name, const std::vector<HtmlCell>& cells) {
  const auto note = [](const HtmlCell& cell) {
    return cell.note.empty() ? "" : " title=\"" + markup_escaped(cell.note) + '"';
  };
  rows_ += "<tr><th scope=\"row\"" + note(name) + '>' + markup_escaped(name.text) + "</th>";
  for (const HtmlCell& cell : cells) {
    const std::string text = markup_escaped(cell.text);
    rows_ +=
        "<td" + note(cell) + '>' + (cell.strong ? "<strong>" + text + "</strong>" : text) + "</td>";
  }
  rows_ += "</tr>\n";
}

std::string HtmlTable::text() const {
  return str("<div class=\"wide\"><table", words_ ? " class=\"words\"" : "", ">\n<thead><tr>",
             head_, "</tr></thead>\n<tbody>\n", rows_, "</tbody></table></div>\n");
}

std::string html_element(const std::string& name, const std::string& text) {
  return str('<', name, '>', markup_escaped(text), "</", name, ">\n");
}

std::string html_folded(const std::string& summary, const std::string& body) {
  return "<details><summary>" + markup_escaped(summary) + "</summary>\n" + body + "</details>\n";
}

// Base64 (RFC 4648).
std::string html_data(const std::string& type, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text = "data:" + type + ";base64,";
  text.reserve(text.size() + (bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t b = 0; b < 3; ++b) {
      const char byte = i + b < bytes.size() ? bytes[i + b] : '\0';
      three = three << 8 | static_cast<unsigned char>(byte);
    }
    const size_t digits = std::min<size_t>(bytes.size() - i, 3) + 1;
    for (size_t d = 0; d < 4; ++d) text += d < digits ? kDigits[three >> (18 - 6 * d) & 63] : '=';
  }
  return text;
}

std::string date_text(double seconds_since_1970) {
  const auto whole = static_cast<std::time_t>(seconds_since_1970);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

}  // namespace lacuna::cli
