#include "shards_writer.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::shards {
namespace {

namespace fs = std::filesystem;

// What a crash can cost: converting so much, or for so long, once more.
constexpr int64_t kMostUnsynced = int64_t{32} << 20;
constexpr std::chrono::seconds kSyncEvery{1};

[[noreturn]] void cannot_go_on(const std::string& path, const std::string& message) {
  throw Error(ErrorKind::kData, path, "cannot go on from here: " + message,
              "Begin again, with --overwrite");
}

int64_t size_of(const std::string& path) {
  std::error_code failure;
  const auto size = fs::file_size(path, failure);
  return failure ? 0 : static_cast<int64_t>(size);
}

// Takes away what is behind the first `size` bytes, which are there.
void cut(const std::string& path, int64_t size) {
  const int64_t now = size_of(path);
  if (now < size) {
    cannot_go_on(path, str("it has ", grouped(now), " bytes, and had at least ", grouped(size)));
  }
  std::error_code failure;
  if (now > size) fs::resize_file(path, static_cast<uintmax_t>(size), failure);
  if (failure) throw Error(ErrorKind::kIo, path, "cannot cut the file: " + failure.message());
}

void remove(const std::string& path) {
  std::error_code failure;
  fs::remove(path, failure);
  if (failure) throw Error(ErrorKind::kIo, path, "cannot remove: " + failure.message());
}

void remove_shards(const std::string& folder, size_t first) {
  for (size_t shard = first; facts_of(shard_path(folder, shard)); ++shard) {
    remove(shard_path(folder, shard));
  }
}

bool same_file(const Source& a, const Source& b) {
  return a.path == b.path && a.size == b.size && a.time == b.time;
}

}  // namespace

Writer::Writer(std::string folder, int64_t shard_bytes, const std::string& header,
               std::vector<Source>& sources, const std::function<void(int64_t, int64_t)>& between)
    : folder_(std::move(folder)), most_(shard_bytes), sources_(sources) {
  symbols_.reserve(2 * kPiece);
  go_on(header, between);
  sources_file_ = std::make_unique<AppendFile>(sources_path(folder_));
  ends_file_ = std::make_unique<AppendFile>(ends_path(folder_));
}

void Writer::go_on(const std::string& header,
                   const std::function<void(int64_t, int64_t)>& between) {
  const std::string path = sources_path(folder_);
  const SourceTable table = facts_of(path) ? parse_sources(read_text(path), path) : SourceTable{};
  if (table.header.empty()) return begin(header);
  if (table.header != header) {
    throw Error(ErrorKind::kUsage, folder_,
                "another preparation was begun here: " + table.header + ", not " + header,
                "Give the options of then, --overwrite to begin anew, or another folder");
  }
  int64_t records = 0;
  for (size_t i = 0; i < table.sources.size(); ++i) {
    if (i >= sources_.size() || !same_file(table.sources[i], sources_[i])) {
      throw Error(
          ErrorKind::kUsage, table.sources[i].path,
          "has changed, or is not among the files any more, since " + folder_ + " was begun",
          "Give --overwrite to begin anew");
    }
    sources_[i] = table.sources[i];
    records += sources_[i].records;
  }
  cut(path, static_cast<int64_t>(table.whole));
  done_ = table.sources.size();
  restore(records, between);
  whole_ = now_;
  record_begin_ = now_.symbols;
}

// Before anything is converted, so that the folder can be told from others.
void Writer::begin(const std::string& header) {
  remove_shards(folder_, 0);
  remove(ends_path(folder_));
  write_atomic(sources_path(folder_), header + "\n");
}

// The ends of the records tell the sizes of the shards.
void Writer::restore(int64_t records, const std::function<void(int64_t, int64_t)>& between) {
  const std::string path = ends_path(folder_);
  cut(path, records * static_cast<int64_t>(sizeof(int64_t)));
  if (records > 0) {
    for_pieces(path, [&](const std::byte* bytes, size_t count) {
      for (size_t at = 0; at < count; at += sizeof(int64_t)) {
        int64_t end = 0;
        std::memcpy(&end, bytes + at, sizeof end);
        if (end <= now_.symbols) cannot_go_on(path, "its ends do not ascend");
        const int64_t begin = std::exchange(now_.symbols, end);
        now_.shard_bytes += end - begin;
        now_.count_record(begin, most_);
      }
    });
  }
  std::vector<int64_t> sizes = now_.shards;
  if (now_.shard_bytes > 0) sizes.push_back(now_.shard_bytes);
  int64_t read = 0;
  for (size_t shard = 0; shard < sizes.size(); ++shard) {
    cut(shard_path(folder_, shard), sizes[shard]);
    for_pieces(shard_path(folder_, shard), [&](const std::byte* bytes, size_t count) {
      now_.checksum.add(bytes, count);
      between(read += static_cast<int64_t>(count), now_.symbols);
    });
  }
  remove_shards(folder_, sizes.size());
}

void Writer::State::count_record(int64_t begin, int64_t most) {
  ++records;
  const int64_t size = symbols - begin;
  if (records == 1) record_size = size;
  if (size != record_size) record_size = 0;
  if (shard_bytes < most) return;
  shards.push_back(std::exchange(shard_bytes, 0));
  ++shard;
}

void Writer::add(std::span<const uint8_t> symbols) {
  while (!symbols.empty()) {
    const size_t count = std::min(symbols.size(), kPiece);
    symbols_.insert(symbols_.end(), symbols.begin(), symbols.begin() + static_cast<int64_t>(count));
    symbols = symbols.subspan(count);
    now_.checksum.add(symbols_.data() + symbols_.size() - count, count);
    now_.symbols += static_cast<int64_t>(count);
    now_.shard_bytes += static_cast<int64_t>(count);
    if (symbols_.size() < kPiece) continue;
    flush();
    if (between_) between_();
  }
}

void Writer::end_record() {
  const int64_t end = now_.symbols;
  ends_.append(reinterpret_cast<const char*>(&end), sizeof end);
  const size_t shard = now_.shard;
  // The symbols before the end of a shard belong to it.
  if (now_.shard_bytes >= most_) flush();
  now_.count_record(std::exchange(record_begin_, end), most_);
  if (now_.shard != shard) next_shard();
}

void Writer::flush() {
  if (!symbols_.empty()) {
    if (!shard_file_) shard_file_ = std::make_unique<AppendFile>(shard_path(folder_, now_.shard));
    shard_file_->append({reinterpret_cast<const char*>(symbols_.data()), symbols_.size()});
    symbols_.clear();
  }
  if (ends_.size() >= kPiece) ends_file_->append(std::exchange(ends_, {}));
}

void Writer::next_shard() {
  if (shard_file_) shard_file_->sync();
  shard_file_.reset();
}

void Writer::end_file(const std::string&) {
  source_over(now_.records - whole_.records, "");
}

void Writer::drop_file(const std::string&, const std::string& reason) {
  forget_open_file();
  source_over(0, reason);
}

// Flushed first, so that there is one way for what is in memory and what is on the disk.
void Writer::forget_open_file() {
  if (now_.symbols == whole_.symbols && now_.records == whole_.records) return;
  flush();
  ends_file_->append(std::exchange(ends_, {}));
  shard_file_.reset();
  for (size_t shard = whole_.shard; shard <= now_.shard; ++shard) {
    const std::string path = shard_path(folder_, shard);
    if (shard == whole_.shard && whole_.shard_bytes > 0) {
      cut(path, whole_.shard_bytes);
    } else {
      remove(path);
    }
  }
  cut(ends_path(folder_), whole_.records * static_cast<int64_t>(sizeof(int64_t)));
  now_ = whole_;
  record_begin_ = now_.symbols;
}

void Writer::source_over(int64_t records, const std::string& reason) {
  Source& source = sources_[done_++];
  source.records = records;
  source.reason = reason;
  lines_ += source_line(source) + '\n';
  unsynced_ += now_.symbols - whole_.symbols;
  whole_ = now_;
  const auto now = std::chrono::steady_clock::now();
  if (unsynced_ >= kMostUnsynced || now - synced_ >= kSyncEvery) sync();
}

// A file is named in sources.tsv once all that came out of it is on the disk.
void Writer::sync() {
  flush();
  if (!ends_.empty()) ends_file_->append(std::exchange(ends_, {}));
  if (!shard_file_ && now_.shard_bytes > 0) {  // closed to be cut, perhaps before it was synced
    shard_file_ = std::make_unique<AppendFile>(shard_path(folder_, now_.shard));
  }
  if (shard_file_) shard_file_->sync();
  ends_file_->sync();
  sync_folder(folder_);
  if (!lines_.empty()) {
    sources_file_->append(lines_);
    lines_.clear();
    sources_file_->sync();
  }
  unsynced_ = 0;
  synced_ = std::chrono::steady_clock::now();
}

void Writer::keep_whole() {
  forget_open_file();
  sync();
}

Manifest Writer::finish() {
  sync();
  Manifest manifest{.records = now_.records,
                    .symbols = now_.symbols,
                    .record_size = now_.record_size,
                    .xxh3 = now_.checksum.text(),
                    .shards = now_.shards,
                    .sources_xxh3 = checksum_of_file(sources_path(folder_))};
  if (now_.shard_bytes > 0) manifest.shards.push_back(now_.shard_bytes);
  if (now_.record_size == 0) manifest.ends_xxh3 = checksum_of_file(ends_path(folder_));
  return manifest;
}

}  // namespace lacuna::shards
