// Writes prepared data, so that after a crash it can go on behind the last file that is whole on
// the disk.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "lacuna/data/checksum.h"
#include "shards_layout.h"

namespace lacuna::shards {

class Writer final : public RecordSink {
 public:
  /// Goes on with what is in the folder, a lock on which the caller holds; it has nothing, or the
  /// beginning of the preparation of `sources` with this header. Reads the symbols that are there
  /// once more, `between` told how many bytes of how many. Throws Error(kUsage) where what is there
  /// is of another preparation, Error(kData) where it is damaged, Error(kIo). Of the sources that
  /// are over it fills in what came out of them.
  Writer(std::string folder, int64_t shard_bytes, const std::string& header,
         std::vector<Source>& sources, const std::function<void(int64_t, int64_t)>& between);

  /// Of the sources, how many are whole.
  size_t sources_done() const { return done_; }
  int64_t symbols() const { return now_.symbols; }

  /// Called between the pieces of large records; may throw.
  void set_between(BetweenPieces between) { between_ = std::move(between); }

  void add(std::span<const uint8_t> symbols) override;
  void end_record() override;
  void end_file(const std::string& file) override;
  void drop_file(const std::string& file, const std::string& reason) override;

  /// Drops what is not of a whole file and brings the rest to the disk.
  void keep_whole();
  /// All sources are over. What the manifest says of them; nothing of it is written.
  Manifest finish();

 private:
  struct State {
    int64_t records = 0, symbols = 0;
    int64_t record_size = 0;  // of all records so far; 0: they differ, or there are none
    size_t shard = 0;
    int64_t shard_bytes = 0;
    std::vector<int64_t> shards;  // bytes of those before
    Checksum checksum;

    void count_record(int64_t begin, int64_t most);
  };

  void go_on(const std::string& header, const std::function<void(int64_t, int64_t)>& between);
  void begin(const std::string& header);
  void restore(int64_t records, const std::function<void(int64_t, int64_t)>& between);
  void flush();
  void next_shard();
  void forget_open_file();
  void source_over(int64_t records, const std::string& reason);
  void sync();

  std::string folder_;
  int64_t most_;  // bytes of a shard, but for its last record
  std::vector<Source>& sources_;
  BetweenPieces between_;
  size_t done_ = 0;
  State now_, whole_;             // whole_: where the last file ended
  int64_t record_begin_ = 0;      // of the record under way
  std::vector<uint8_t> symbols_;  // not in the shard yet
  std::string ends_, lines_;      // not in record_ends.bin, sources.tsv yet
  std::unique_ptr<AppendFile> shard_file_, ends_file_, sources_file_;
  int64_t unsynced_ = 0;  // symbols of whole files
  std::chrono::steady_clock::time_point synced_ = std::chrono::steady_clock::now();
};

}  // namespace lacuna::shards
