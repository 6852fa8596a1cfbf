// Pieces of an HTML page. Plain arguments are any bytes and come out escaped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lacuna::cli {

/// A cell of a table.
struct HtmlCell {
  std::string text;
  bool strong = false;
  std::string note;  // shown when the pointer rests on it
};

/// A table with the names of its rows in the first column; it scrolls by itself when it is wide.
class HtmlTable {
 public:
  /// `head` names the columns, the first one that of the rows. `words`: cells hold words rather
  /// than numbers, and stand to the left.
  explicit HtmlTable(const std::vector<std::string>& head, bool words = false);
  void add_row(const HtmlCell& name, const std::vector<HtmlCell>& cells);
  std::string text() const;

 private:
  bool words_;
  std::string head_, rows_;
};

std::string html_element(const std::string& name, const std::string& text);
/// A part that is folded away; `body` is HTML.
std::string html_folded(const std::string& summary, const std::string& body);
/// The bytes of a file as the address of an image or a sound: data:image/png;base64,...
std::string html_data(const std::string& type, std::string_view bytes);
/// "2026-11-27 22:50 UTC".
std::string date_text(double seconds_since_1970);

}  // namespace lacuna::cli
