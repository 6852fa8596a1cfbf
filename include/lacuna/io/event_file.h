// TensorBoard event files: TFRecord frames (length, payload, a checksum of each) whose payloads are
// Event messages of protocol buffers. docs/metrics.md names the tags that a run writes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lacuna/base/files.h"

namespace lacuna {

/// CRC-32C (Castagnoli): reflected polynomial 0x82F63B78, as in iSCSI.
uint32_t crc32c(std::string_view bytes);

struct Scalar {
  std::string tag;
  double value;  // TensorBoard keeps it in single precision
};

/// Times are in seconds since 1970. Each event has been handed to the system when its function
/// returns. Not for use by several threads at once.
class EventFile {
 public:
  /// Starts a file where none is yet; TensorBoard looks at it when its name contains "tfevents".
  /// One that watches the folder forgets what it has read from earlier files. Throws Error(kIo).
  EventFile(const std::string& path, double time);

  /// One event with all the scalars; none: nothing. Throws Error(kIo).
  void add_scalars(int64_t step, double time, const std::vector<Scalar>& scalars);
  /// `text` is UTF-8, shown as Markdown. Throws Error(kIo).
  void add_text(int64_t step, double time, const std::string& tag, const std::string& text);

 private:
  AppendFile file_;
};

}  // namespace lacuna
