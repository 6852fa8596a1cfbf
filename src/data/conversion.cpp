#include "lacuna/data/conversion.h"

#include <algorithm>
#include <exception>

#include "lacuna/base/error.h"
#include "lacuna/base/resources.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"

namespace lacuna {
namespace {

// The records of one file.
class FileRecords final : public RecordSink {
 public:
  void add(std::span<const uint8_t> symbols) override {
    symbols_.insert(symbols_.end(), symbols.begin(), symbols.end());
  }
  void end_record() override { ends_.push_back(symbols_.size()); }
  void end_file(const std::string&) override {}
  void drop_file(const std::string&, const std::string&) override {}

  void hand_on(RecordSink& sink) const {
    size_t begin = 0;
    for (const size_t end : ends_) {
      sink.add(std::span(symbols_).subspan(begin, end - begin));
      sink.end_record();
      begin = end;
    }
  }

 private:
  std::vector<uint8_t> symbols_;
  std::vector<size_t> ends_;
};

// What has become of a file that was converted beside others.
struct Outcome {
  FileRecords records;
  std::exception_ptr failure;
};

// Ends the file, or leaves it out where that is asked for.
void settle(const std::string& file, const Converter& converter, RecordSink& sink,
            const std::function<void()>& hand_on, BadFiles& bad) {
  try {
    hand_on();
  } catch (const Error& failure) {
    if (!converter.skip_bad || failure.kind() != ErrorKind::kData) throw;
    bad.emplace_back(failure.what());
    sink.drop_file(file, bad.back());
    return;
  }
  sink.end_file(file);
}

// Some files at a time, side by side in memory.
constexpr size_t kTogether = 64;
constexpr int64_t kRoom = int64_t{256} << 20;  // bytes for what they become

// How many files from `first` on are converted at once.
size_t together(const std::vector<std::string>& files, size_t first, const Converter& converter) {
  const size_t most = std::min(kTogether, files.size() - first);
  if (converter.small_files) return most;
  if (!converter.symbols) return 1;
  size_t count = 0;
  for (int64_t room = kRoom; count < most; ++count) {
    room -= converter.symbols(files[first + count]);
    if (room < 0) break;
  }
  return std::max<size_t>(count, 1);
}

// The bytes of all records, and where each begins.
class InMemory final : public RecordStore, public RecordSink {
 public:
  void add(std::span<const uint8_t> symbols) override {
    while (!symbols.empty()) {
      const int64_t at = size_ % kBlock;
      if (size_ / kBlock == std::ssize(blocks_)) add_block();
      const int64_t taken = std::min(kBlock - at, std::ssize(symbols));
      std::copy_n(symbols.begin(), taken, blocks_.back().get() + at);
      symbols = symbols.subspan(static_cast<size_t>(taken));
      size_ += taken;
    }
  }
  void end_record() override { ends_.push_back(size_); }
  void end_file(const std::string& file) override {
    if (records() > whole_records_) files_.push_back({file, whole_records_});
    whole_records_ = records();
  }
  void drop_file(const std::string&, const std::string&) override {
    ends_.resize(static_cast<size_t>(whole_records_));
    size_ = record_begin(whole_records_);
    blocks_.resize(static_cast<size_t>((size_ + kBlock - 1) / kBlock));
  }
  void finish(const BadFiles& bad) { note_ = note_on(bad); }

  int64_t size() const override { return size_; }
  int64_t records() const override { return static_cast<int64_t>(ends_.size()); }
  int64_t record_begin(int64_t record) const override {
    return record == 0 ? 0 : ends_[static_cast<size_t>(record - 1)];
  }
  const std::vector<StoredFile>& files() const override { return files_; }
  std::string note() const override { return note_; }
  void read(int64_t begin, int64_t count, std::byte* out) const override {
    while (count > 0) {
      const int64_t at = begin % kBlock, taken = std::min(kBlock - at, count);
      const uint8_t* block = blocks_[static_cast<size_t>(begin / kBlock)].get();
      out = std::copy_n(reinterpret_cast<const std::byte*>(block) + at, taken, out);
      begin += taken;
      count -= taken;
    }
  }

 private:
  // As long as what is there would fit once more: the rest of the memory is for training.
  void add_block() {
    const int64_t wanted = (std::ssize(blocks_) + 1) * kBlock;
    if (static_cast<size_t>(wanted) > free_memory()) {
      throw Error(ErrorKind::kConfig, "data.paths",
                  str("the data takes more than half of the memory: ",
                      human_bytes(static_cast<uint64_t>(wanted)), " so far, and ",
                      human_bytes(free_memory()), " are free"),
                  "Convert it once with `lacuna data prepare`; it is read from disk then");
    }
    blocks_.push_back(std::make_unique_for_overwrite<uint8_t[]>(kBlock));
  }

  static constexpr int64_t kBlock = 16 << 20;  // bytes

  std::vector<std::unique_ptr<uint8_t[]>> blocks_;
  int64_t size_ = 0;
  std::vector<int64_t> ends_;
  std::vector<StoredFile> files_;
  int64_t whole_records_ = 0;  // of the files that have ended
  std::string note_;
};

}  // namespace

std::string note_on(const BadFiles& bad) {
  if (bad.empty()) return "";
  return str(grouped(static_cast<int64_t>(bad.size())), " bad ", bad.size() == 1 ? "file" : "files",
             " left out, the first: ", printable(bad.front()));
}

std::string RecordStore::checksum(const BetweenPieces& between_pieces) const {
  Checksum checksum;
  std::vector<std::byte> bytes(kPiece);
  for (int64_t done = 0; done < size(); done += static_cast<int64_t>(kPiece)) {
    if (done > 0 && between_pieces) between_pieces();
    const int64_t count = std::min(static_cast<int64_t>(kPiece), size() - done);
    read(done, count, bytes.data());
    checksum.add(bytes.data(), static_cast<size_t>(count));
  }
  return checksum.text();
}

std::string RecordStore::record_name(int64_t record) const {
  const auto after = std::upper_bound(
      files().begin(), files().end(), record,
      [](int64_t wanted, const StoredFile& file) { return wanted < file.first_record; });
  const StoredFile& file = *(after - 1);
  const int64_t end = after == files().end() ? records() : after->first_record;
  if (end - file.first_record == 1) return file.name;
  return str(file.name, '#', record - file.first_record);
}

BadFiles convert_files(const std::vector<std::string>& files, const Converter& converter,
                       RecordSink& sink, const std::function<void(size_t)>& done) {
  BadFiles bad;
  for (size_t first = 0, count = 0; first < files.size(); first += count) {
    count = together(files, first, converter);
    std::vector<Outcome> outcomes(count);
    if (count > 1) {
#pragma omp parallel for schedule(dynamic)
      for (size_t i = 0; i < count; ++i) {
        try {
          converter.convert(files[first + i], outcomes[i].records);
        } catch (...) {
          outcomes[i].failure = std::current_exception();
        }
      }
    }
    for (size_t i = 0; i < count; ++i) {
      const std::string& file = files[first + i];
      settle(
          file, converter, sink,
          [&] {
            if (count == 1) return converter.convert(file, sink);
            if (outcomes[i].failure) std::rethrow_exception(outcomes[i].failure);
            outcomes[i].records.hand_on(sink);
          },
          bad);
      if (done) done(first + i + 1);
    }
  }
  return bad;
}

std::unique_ptr<RecordStore> store_in_memory(const std::vector<std::string>& files,
                                             const Converter& converter) {
  auto store = std::make_unique<InMemory>();
  store->finish(convert_files(files, converter, *store));
  return store;
}

}  // namespace lacuna
