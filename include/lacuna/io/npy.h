// NumPy's array files (.npy, and the members of .npz): headers of all versions, and arrays of bytes
// read in parts and written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lacuna/base/files.h"

namespace lacuna {

/// What the beginning of an .npy says of the array behind it. The sizes fit one another.
struct NpyHeader {
  std::string dtype;        // as NumPy writes it: "|u1", "<i8", "|O"
  char kind = 0;            // NumPy's letter: b bool, i u integers, f float, O pickled objects...
  int64_t item_bytes = 0;   // of one element; 0 for O, whose size the header does not say
  bool big_endian = false;  // its most significant byte first; only of elements of several bytes
  bool fortran_order = false;  // the first index varies fastest
  std::vector<int64_t> shape;  // empty: one element
  int64_t elements = 0;
  int64_t data_bytes = 0;
  size_t data_begin = 0;  // bytes before the data

  bool is_integer() const { return kind == 'i' || kind == 'u'; }
};

/// Copies the next `count` bytes to out and says how many there were: fewer only at the end.
using NextBytes = std::function<size_t(std::byte* out, size_t count)>;

/// Reads a header of version 1.0, 2.0 or 3.0 and no byte beyond it. Throws Error(kData, place) for
/// anything else, for elements of several fields and for shapes that leave 63 bits.
NpyHeader read_npy_header(const std::string& place, const NextBytes& next);

/// Throws Error(kData, place) unless `bytes`, the size of the whole .npy, is what its header asks
/// for. Of pickled objects it cannot be known.
void check_npy_size(const std::string& place, const NpyHeader& header, uint64_t bytes);

/// Throws Error(kData, place), with how to convert the array, unless it is in C order and of bytes
/// ("|u1").
void check_npy_bytes(const std::string& place, const NpyHeader& header);
/// The same for integers of any size and byte order.
void check_npy_integers(const std::string& place, const NpyHeader& header);

/// An .npy of bytes in C order, any part of which can be read at any time, by several threads at
/// once; nothing of it is kept in memory.
class NpyFile {
 public:
  /// Throws Error(kData), naming the file, for anything but a whole file of such an array.
  explicit NpyFile(const std::string& path);
  /// As FileReader::release(): the file is opened for each read from now on.
  void release() { file_.release(); }

  const NpyHeader& header() const { return header_; }
  /// Copies elements [begin, begin + count), counted over the whole array, which must be within it.
  /// Throws Error(kIo) as FileReader::read() does.
  void read(int64_t begin, int64_t count, std::byte* out) const;

 private:
  FileReader file_;
  NpyHeader header_;
};

/// The header of an array of bytes in C order, version 1.0; the data follow it, aligned to 64
/// bytes.
std::string npy_header(const std::vector<int64_t>& shape);

/// A whole .npy of such an array; `data` has the product of `shape` bytes.
std::string npy_bytes(const std::vector<int64_t>& shape, std::span<const uint8_t> data);

}  // namespace lacuna
