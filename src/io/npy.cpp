#include "lacuna/io/npy.h"

#include <algorithm>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "safetensors_types.h"

namespace lacuna {
namespace {

constexpr size_t kAlignment = 64;

/// What came, for messages: "'<i8' of shape (2, 3)".
std::string described(const NpyHeader& header) {
  std::vector<std::string> extents;
  for (const int64_t extent : header.shape) extents.push_back(std::to_string(extent));
  return str("'", printable(header.dtype), "' of shape (", join(extents, ", "),
             header.shape.size() == 1 ? ",)" : ")");
}

void refuse_objects(const std::string& place, const NpyHeader& header) {
  if (header.kind != 'O') return;
  throw Error(
      ErrorKind::kData, place,
      "holds pickled Python objects ('|O'), which are not read since they may run any program",
      "Save it in Python as numbers: np.save(path, np.array(array.tolist(), dtype='uint8'))");
}

void refuse_fortran(const std::string& place, const NpyHeader& header) {
  if (!header.fortran_order) return;
  throw Error(ErrorKind::kData, place,
              str("is in Fortran order, expected C order: ", described(header)),
              "Save it in Python as np.ascontiguousarray(array)");
}

NpyHeader header_at_begin(const std::string& path, const FileReader& file) {
  size_t at = 0;
  return read_npy_header(path, [&](std::byte* out, size_t count) {
    count = std::min(count, file.size() - at);
    file.read(at, count, out);
    at += count;
    return count;
  });
}

}  // namespace

void check_npy_size(const std::string& place, const NpyHeader& header, uint64_t bytes) {
  if (header.kind == 'O') return;
  const uint64_t wanted = header.data_begin + static_cast<uint64_t>(header.data_bytes);
  if (bytes == wanted) return;
  throw Error(
      ErrorKind::kData, place,
      str("has ", bytes, " bytes, but its header asks for ", wanted, ": ", described(header)),
      bytes < wanted ? "It was probably cut short while it was copied or downloaded"
                     : "Something was appended to it, or its header is damaged");
}

void check_npy_bytes(const std::string& place, const NpyHeader& header) {
  refuse_objects(place, header);
  if (header.kind != 'u' || header.item_bytes != 1) {
    throw Error(ErrorKind::kData, place, "holds " + described(header) + ", expected bytes ('|u1')",
                "If its values are whole numbers from 0 to 255, save it in Python as "
                "array.astype('uint8')");
  }
  refuse_fortran(place, header);
}

void check_npy_integers(const std::string& place, const NpyHeader& header) {
  refuse_objects(place, header);
  if (!header.is_integer()) {
    throw Error(ErrorKind::kData, place, "holds " + described(header) + ", expected integers",
                "If its values are whole numbers, save it in Python as array.astype('int64')");
  }
  refuse_fortran(place, header);
}

NpyFile::NpyFile(const std::string& path) : file_(path), header_(header_at_begin(path, file_)) {
  check_npy_bytes(path, header_);
  check_npy_size(path, header_, file_.size());
}

void NpyFile::read(int64_t begin, int64_t count, std::byte* out) const {
  require(
      begin >= 0 && count >= 0 && begin <= header_.elements && count <= header_.elements - begin,
      "NpyFile", "no such elements");
  file_.read(header_.data_begin + static_cast<size_t>(begin), static_cast<size_t>(count), out);
}

std::string npy_header(const std::vector<int64_t>& shape) {
  require(array_size(shape, 1).has_value(), "npy_header", "the shape makes no size");
  std::string extents;
  for (const int64_t extent : shape) extents += std::to_string(extent) + ", ";
  if (!shape.empty())
    extents.resize(extents.size() - (shape.size() == 1 ? 1 : 2));  // "5," but "5, 6"
  std::string text = "{'descr': '|u1', 'fortran_order': False, 'shape': (" + extents + "), }";
  const size_t before = 10;  // magic number, version and length
  text.resize((before + text.size() + kAlignment) / kAlignment * kAlignment - before - 1, ' ');
  text += '\n';
  require(text.size() <= UINT16_MAX, "npy_header", "the shape is too long");
  const auto length = static_cast<uint16_t>(text.size());
  return str("\x93NUMPY\x01", '\0', static_cast<char>(length & 0xff),
             static_cast<char>(length >> 8), text);
}

std::string npy_bytes(const std::vector<int64_t>& shape, std::span<const uint8_t> data) {
  require(array_size(shape, 1) == static_cast<int64_t>(data.size()), "npy_bytes",
          "the shape is not that of the data");
  std::string bytes = npy_header(shape);
  bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  return bytes;
}

}  // namespace lacuna
