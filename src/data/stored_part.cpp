#include "stored_part.h"

#include <algorithm>
#include <array>

#include "record_search.h"

namespace lacuna {
namespace {

class StoredPart final : public Part {
 public:
  StoredPart(std::shared_ptr<const RecordStore> store, const std::vector<StoreRange>& ranges,
             bool records_apart)
      : store_(std::move(store)), records_apart_(records_apart) {
    for (const StoreRange& range : ranges) {
      const int64_t first = last_record_at(*store_, range.begin);
      pieces_.push_back({size_, records_, range.begin, first});
      size_ += range.end - range.begin;
      records_ += last_record_at(*store_, range.end - 1) - first + 1;
    }
  }

  int64_t size() const override { return size_; }
  int64_t records() const override { return records_; }
  bool records_apart() const override { return records_apart_; }

  int64_t record_begin(int64_t record) const override {
    if (record == records_) return size_;
    const Piece& piece = of_record(record);
    const int64_t begin = store_->record_begin(piece.stored_record + record - piece.record);
    return piece.begin + std::max<int64_t>(0, begin - piece.stored);
  }
  std::string record_name(int64_t record) const override {
    const Piece& piece = of_record(record);
    return store_->record_name(piece.stored_record + record - piece.record);
  }

 private:
  struct Piece {
    int64_t begin, record;          // where it starts in the part
    int64_t stored, stored_record;  // and in the store
  };

  const Piece& of_record(int64_t record) const {
    return *(
        std::upper_bound(pieces_.begin(), pieces_.end(), record,
                         [](int64_t wanted, const Piece& piece) { return wanted < piece.record; }) -
        1);
  }

  void do_read(int64_t begin, int64_t count, int32_t* out) const override {
    auto piece =
        std::upper_bound(pieces_.begin(), pieces_.end(), begin,
                         [](int64_t wanted, const Piece& other) { return wanted < other.begin; }) -
        1;
    std::array<std::byte, 1 << 14> bytes;
    while (count > 0) {
      const int64_t end = piece + 1 == pieces_.end() ? size_ : (piece + 1)->begin;
      const int64_t taken = std::min({count, end - begin, static_cast<int64_t>(bytes.size())});
      store_->read(piece->stored + begin - piece->begin, taken, bytes.data());
      out = std::transform(bytes.begin(), bytes.begin() + taken, out,
                           [](std::byte symbol) { return std::to_integer<int32_t>(symbol); });
      begin += taken;
      count -= taken;
      if (begin == end) ++piece;
    }
  }

  std::shared_ptr<const RecordStore> store_;
  bool records_apart_;
  std::vector<Piece> pieces_;
  int64_t size_ = 0, records_ = 0;
};

}  // namespace

std::unique_ptr<Part> stored_part(std::shared_ptr<const RecordStore> store,
                                  const std::vector<StoreRange>& ranges, bool records_apart) {
  return std::make_unique<StoredPart>(std::move(store), ranges, records_apart);
}

}  // namespace lacuna
