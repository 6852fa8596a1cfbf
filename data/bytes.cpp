// Format "bytes": files one after the other, each byte a symbol; a boundary between two files is
// just the next byte.
#include "lacuna/data/format.h"
#include "lacuna/data/records.h"

namespace lacuna {

DatasetFormat bytes_format() {
  return {.options = {{"split_at", std::string("bytes"), one_of("bytes|files"),
                       "where data.split may cut: between any two bytes, or between files, where "
                       "there are enough"}},
          .medium = [](const FormatValues&) { return text_medium(); },
          .open =
              [](const DatasetConfig& config) {
                const bool files = config.values.text("split_at") == "files";
                return open_records(config, text_medium(),
                                    {.noun = "bytes", .cut = files ? Cut::kFiles : Cut::kSymbols});
              }};
}

}  // namespace lacuna
