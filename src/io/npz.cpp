// The reading half of .npz. libzip finds the members, inflates them and compares their checksums.
#include "lacuna/io/npz.h"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr const char* kDamaged =
    "It was probably damaged or cut short while it was copied or downloaded";

/// The beginning of a file that is no zip, to say what it may be.
Error no_archive(const std::string& path, std::string_view beginning, const std::string& reason) {
  std::string hint = kDamaged;
  if (beginning.starts_with("\x93NUMPY")) hint = "It is a single array: name it .npy";
  if (beginning.starts_with('\x80')) {
    hint =
        "It seems to be a pickle, which is not read since it may run any program: load it in "
        "Python and save its arrays with np.savez";
  }
  return Error(ErrorKind::kData, path, "cannot be opened as an .npz: " + reason, hint);
}

std::string text_of(zip_error_t* error) {
  std::string text = zip_error_strerror(error);
  zip_error_fini(error);
  return text;
}

}  // namespace

/// An open zip file.
class ZipArchive {
 public:
  explicit ZipArchive(const std::string& path) {
    const FileReader file(path);  // what is missing or no regular file is refused here
    int code = 0;
    zip_ = zip_open(path.c_str(), ZIP_RDONLY, &code);
    if (zip_ != nullptr) return;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string beginning(std::min<size_t>(file.size(), 8), '\0');
    file.read(0, beginning.size(), reinterpret_cast<std::byte*>(beginning.data()));
    throw no_archive(path, beginning, text_of(&error));
  }
  ZipArchive(const std::string& name, std::string_view bytes) {
    // libzip takes nothing for an archive that is yet to be written.
    if (bytes.empty()) throw no_archive(name, bytes, "it is empty");
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
    zip_ = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error);
    if (zip_ == nullptr) {
      if (source != nullptr) zip_source_free(source);
      throw no_archive(name, bytes.substr(0, 8), text_of(&error));
    }
    zip_error_fini(&error);
  }
  ~ZipArchive() { zip_discard(zip_); }
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  zip_t* handle() const { return zip_; }
  size_t size() const {
    return static_cast<size_t>(std::max<zip_int64_t>(zip_get_num_entries(zip_, 0), 0));
  }
  std::string name(size_t index) const {
    const char* name = zip_get_name(zip_, index, 0);
    return name == nullptr ? "" : name;
  }

 private:
  zip_t* zip_ = nullptr;
};

/// The bytes of a member, unpacked.
class ZipStream {
 public:
  ZipStream(std::string place, std::shared_ptr<ZipArchive> archive, size_t index)
      : place_(std::move(place)), archive_(std::move(archive)) {
    zip_stat_t facts;
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(archive_->handle(), index, 0, &facts) != 0 ||
        (facts.valid & needed) != needed) {
      throw Error(ErrorKind::kData, place_, "the archive does not say its size", kDamaged);
    }
    if (facts.encryption_method != ZIP_EM_NONE) {
      throw Error(ErrorKind::kData, place_, "is encrypted", "Unpack it and save it with np.savez");
    }
    size_ = facts.size;
    file_ = zip_fopen_index(archive_->handle(), index, 0);
    if (file_ != nullptr) return;
    const std::string reason = zip_error_strerror(zip_get_error(archive_->handle()));
    throw Error(ErrorKind::kData, place_, "cannot be unpacked: " + reason,
                "NumPy's own archives, of np.savez and np.savez_compressed, can be");
  }
  ~ZipStream() {
    if (file_ != nullptr) zip_fclose(file_);
  }
  ZipStream(const ZipStream&) = delete;
  ZipStream& operator=(const ZipStream&) = delete;

  const std::string& place() const { return place_; }
  uint64_t size() const { return size_; }

  /// As NextBytes; throws Error(kData), also for a wrong checksum once the end is reached.
  size_t next(std::byte* out, size_t count) {
    size_t done = 0;
    while (done < count) {
      const zip_int64_t got = zip_fread(file_, out + done, count - done);
      if (got < 0) {
        throw Error(ErrorKind::kData, place_,
                    str("is damaged: ", zip_error_strerror(zip_file_get_error(file_))), kDamaged);
      }
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  std::string place_;
  std::shared_ptr<ZipArchive> archive_;
  uint64_t size_ = 0;
  zip_file_t* file_ = nullptr;
};

NpzMember::NpzMember(std::unique_ptr<ZipStream> stream, NpyHeader header)
    : stream_(std::move(stream)), header_(std::move(header)), left_(header_.data_bytes) {}
NpzMember::~NpzMember() = default;
NpzMember::NpzMember(NpzMember&& other) noexcept = default;
NpzMember& NpzMember::operator=(NpzMember&& other) noexcept = default;

void NpzMember::read(int64_t count, std::byte* out) {
  require(count >= 0 && count <= left_, "NpzMember", "no such bytes are left");
  const auto wanted = static_cast<size_t>(count);
  const size_t had = stream_->next(out, wanted);
  if (had < wanted) {
    throw Error(ErrorKind::kData, stream_->place(),
                str("ends ", left_ - static_cast<int64_t>(had), " bytes too early"), kDamaged);
  }
  left_ -= count;
  std::byte more;  // libzip compares the checksum when it meets the end
  if (left_ == 0 && stream_->next(&more, 1) != 0) {
    throw Error(ErrorKind::kData, stream_->place(), "goes on behind its array", kDamaged);
  }
}

NpzFile::NpzFile(const std::string& path)
    : path_(path), archive_(std::make_shared<ZipArchive>(path)) {
  list();
}

NpzFile::NpzFile(std::string name, std::string_view bytes)
    : path_(std::move(name)), archive_(std::make_shared<ZipArchive>(path_, bytes)) {
  list();
}

void NpzFile::list() {
  for (size_t index = 0; index < archive_->size(); ++index) {
    std::string name = archive_->name(index);
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
    entries_.push_back({name, {}});
    entries_.back().header = member(index).header();
  }
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw Error(ErrorKind::kData, path_, "has two members of the name '" + printable(*twice) + "'");
  }
}

std::string NpzFile::place(size_t index) const {
  return path_ + ", member '" + printable(entries_[index].name) + "'";
}

NpzMember NpzFile::member(size_t index) const {
  auto stream = std::make_unique<ZipStream>(place(index), archive_, index);
  NpyHeader header = read_npy_header(stream->place(), [&stream](std::byte* out, size_t count) {
    return stream->next(out, count);
  });
  check_npy_size(stream->place(), header, stream->size());
  return NpzMember(std::move(stream), std::move(header));
}

size_t NpzFile::find(std::string_view name) const {
  std::vector<std::string> names;
  for (size_t index = 0; index < entries_.size(); ++index) {
    if (entries_[index].name == name) return index;
    names.push_back(entries_[index].name);
  }
  const std::string nearest = nearest_name(name, names);
  throw Error(ErrorKind::kData, path_,
              str("has no member '", printable(name), "' among ", names.size(), " members"),
              nearest.empty() ? "" : "Did you mean '" + nearest + "'?");
}

NpzMember NpzFile::open(std::string_view name) const {
  const size_t index = find(name);
  check_npy_bytes(place(index), entries_[index].header);
  return member(index);
}

std::vector<int64_t> NpzFile::integers(std::string_view name) const {
  const size_t index = find(name);
  check_npy_integers(place(index), entries_[index].header);
  NpzMember values = member(index);
  const NpyHeader& header = values.header();
  const auto size = static_cast<size_t>(header.item_bytes);
  std::vector<std::byte> piece(kPiece);
  std::vector<int64_t> all;  // grows with what comes, not with what a header claims
  do {                       // an empty one has a checksum too
    const auto count = static_cast<size_t>(std::min<int64_t>(values.left(), kPiece));
    values.read(static_cast<int64_t>(count), piece.data());
    for (size_t at = 0; at < count; at += size) {
      uint64_t value = 0;
      for (size_t i = 0; i < size; ++i) {
        const size_t place_of_byte = header.big_endian ? i : size - 1 - i;
        value = value << 8 | std::to_integer<uint64_t>(piece[at + place_of_byte]);
      }
      const uint64_t sign = uint64_t{1} << (8 * size - 1);
      if (header.kind == 'i') {
        value = (value ^ sign) - sign;
      } else if (value > uint64_t{INT64_MAX}) {
        throw Error(ErrorKind::kData, place(index), str("holds ", value, ", which leaves 63 bits"));
      }
      all.push_back(static_cast<int64_t>(value));
    }
  } while (values.left() > 0);
  return all;
}

}  // namespace lacuna
