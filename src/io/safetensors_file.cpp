// The reading half of safetensors: nothing in the header is believed before it is checked.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/io/safetensors.h"
#include "safetensors_types.h"

namespace lacuna {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 4;         // the format nests objects and lists three deep
constexpr size_t kMostShown = 100;  // characters of a value in a message
constexpr const char* kCutShort = "It was probably cut short while it was copied or downloaded";

/// A value as it may stand in a message.
std::string shown(const Json& value) {
  // Escaped to ASCII, so that the cut leaves no half of a character.
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= kMostShown ? text : text.substr(0, kMostShown) + "...";
}

/// Parses the header. Refuses a key that appears twice in one object, which the JSON library would
/// settle in silence, and nesting so deep that handling the value could exhaust the stack.
Json parse_header(std::string_view text) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&keys](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDeepest) throw std::invalid_argument("is nested too deeply");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(parsed.get_ref<const std::string&>()).second) {
      throw std::invalid_argument("the key '" + parsed.get_ref<const std::string&>() +
                                  "' appears twice");
    }
    return true;
  };
  Json header = Json::parse(text.begin(), text.end(), check);
  if (!header.is_object()) throw std::invalid_argument("expected an object");
  return header;
}

/// What is wrong with one record; the caller adds the names of file and record.
[[noreturn]] void refuse(const std::string& fault) {
  throw std::invalid_argument(fault);
}

int64_t count_at(const Json& value, const char* what) {
  // The parser gives whole numbers without a sign, and only those, the unsigned type.
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    refuse(str(what, " is ", shown(value), ", expected a whole number from 0 to 2^63 - 1"));
  }
  return value.get<int64_t>();
}

const Json& member(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end()) refuse(str("'", key, "' is missing"));
  return *found;
}

struct Placed {
  int64_t begin, end;
  TensorRecord record;
};

Placed parse_record(const std::string& name, const Json& entry) {
  if (!entry.is_object()) refuse("expected an object with dtype, shape and data_offsets");
  Placed placed{0, 0, {name, "", {}, nullptr}};
  const Json& dtype = member(entry, "dtype");
  const auto item_bytes = dtype.is_string() ? item_size(dtype.get<std::string>()) : std::nullopt;
  if (!item_bytes) {
    refuse("its dtype is " + shown(dtype) + ", known are F64, F32, F16, BF16, I32 and U8");
  }
  placed.record.dtype = dtype.get<std::string>();

  const Json& shape = member(entry, "shape");
  if (!shape.is_array()) refuse("'shape' is " + shown(shape) + ", expected a list");
  for (const Json& extent : shape) {
    placed.record.shape.push_back(count_at(extent, "a dimension of 'shape'"));
  }
  const auto bytes = array_size(placed.record.shape, *item_bytes);
  if (!bytes) refuse("its shape " + shown(shape) + " overflows 64 bits");

  const Json& offsets = member(entry, "data_offsets");
  if (!offsets.is_array() || offsets.size() != 2) {
    refuse("'data_offsets' is " + shown(offsets) + ", expected [begin, end]");
  }
  placed.begin = count_at(offsets[0], "the begin of 'data_offsets'");
  placed.end = count_at(offsets[1], "the end of 'data_offsets'");
  if (placed.end < placed.begin || placed.end - placed.begin != *bytes) {
    refuse(str("'data_offsets' are ", shown(offsets), ", but dtype and shape ask for ", *bytes,
               " bytes"));
  }
  return placed;
}

std::map<std::string, std::string> parse_metadata(const Json& entry) {
  if (!entry.is_object()) refuse("expected an object of strings");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) refuse("the value of '" + key + "' is no string");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// The records must cover the data section from its first byte to its last, each byte once.
void check_cover(const std::string& path, const std::vector<Placed>& sorted, int64_t data_bytes) {
  int64_t covered = 0;
  for (const Placed& placed : sorted) {
    const std::string name = "record '" + placed.record.name + "' ";
    if (placed.end > data_bytes) {
      throw Error(
          ErrorKind::kData, path,
          str(name, "ends at byte ", placed.end, " of the data, but the file holds ", data_bytes),
          kCutShort);
    }
    if (placed.begin != covered) {
      throw Error(ErrorKind::kData, path,
                  str(name, placed.begin < covered ? "overlaps the one before it" : "leaves a gap",
                      ": it begins at byte ", placed.begin, ", expected ", covered));
    }
    covered = placed.end;
  }
  if (covered != data_bytes) {
    throw Error(ErrorKind::kData, path,
                str("the records cover ", covered, " of ", data_bytes, " bytes of data"));
  }
}

std::string_view header_of(const std::string& path, std::string_view file) {
  uint64_t length = 0;
  if (file.size() < sizeof length) {
    throw Error(ErrorKind::kData, path,
                str("a safetensors file has at least 8 bytes, this one ", file.size()), kCutShort);
  }
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kLargestHeader || length > file.size() - sizeof length) {
    throw Error(ErrorKind::kData, path,
                str("the header is said to have ", length, " bytes, but the file has ", file.size(),
                    " in all and headers at most ", kLargestHeader),
                "Either the file was cut short or it is no safetensors file");
  }
  return file.substr(sizeof length, static_cast<size_t>(length));
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), file_(path) {
  read({reinterpret_cast<const char*>(file_.data()), file_.size()});
}

SafetensorsFile::SafetensorsFile(std::string name, std::string_view bytes)
    : path_(std::move(name)) {
  read(bytes);
}

void SafetensorsFile::read(std::string_view bytes) {
  const std::string_view text = header_of(path_, bytes);
  std::vector<Placed> placed;
  std::string place = "the header";
  try {
    const Json header = parse_header(text);
    for (const auto& [name, entry] : header.items()) {
      place = "record '" + name + "'";
      if (name == kMetadataKey) {
        metadata_ = parse_metadata(entry);
      } else {
        placed.push_back(parse_record(name, entry));
      }
    }
  } catch (const Json::exception& fault) {
    throw Error(ErrorKind::kData, path_, place + " is not valid JSON: " + fault.what());
  } catch (const std::invalid_argument& fault) {
    throw Error(ErrorKind::kData, path_, place + ": " + fault.what());
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  const size_t data_begin = sizeof(uint64_t) + text.size();
  check_cover(path_, placed, static_cast<int64_t>(bytes.size() - data_begin));
  for (Placed& one : placed) {
    one.record.data = bytes.data() + data_begin + one.begin;
    records_.push_back(std::move(one.record));
  }
}

const TensorRecord& SafetensorsFile::find(std::string_view name) const {
  std::vector<std::string> names;
  for (const TensorRecord& record : records_) {
    if (record.name == name) return record;
    names.push_back(record.name);
  }
  const std::string nearest = nearest_name(name, names);
  throw Error(ErrorKind::kData, path_,
              str("no record is named '", name, "' among ", names.size(), " records"),
              nearest.empty() ? "" : "Did you mean '" + nearest + "'?");
}

}  // namespace lacuna
