// Format "imagenet64": ImageNet at 64 x 64 pixels in either of its published versions, or pieces of
// them. That of van den Oord et al. (2016) is pictures: folders of PNG files, or .npy arrays of
// them. That of Chrabaszcz et al. (2017) was made in another way: .npz batches of a picture a row,
// first all red, then all green, then all blue bytes. Symbols are the pixels in raster order, each
// red, green, blue; labels are left out.
#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <limits>
#include <optional>

#include "imagenet64_version.h"
#include "lacuna/base/error.h"
#include "lacuna/base/files.h"
#include "lacuna/base/text.h"
#include "lacuna/data/format.h"
#include "lacuna/data/pictures.h"
#include "lacuna/data/records.h"
#include "lacuna/io/npy.h"
#include "lacuna/io/npz.h"

namespace lacuna {
namespace {

constexpr int64_t kSide = 64, kChannels = 3, kPicture = kSide * kSide * kChannels;
constexpr PictureTarget kTarget{.width = kSide, .height = kSide, .channels = kChannels};
constexpr int64_t kClasses = 1000;

enum class Kind : uint8_t { kPng, kNpy, kNpz };

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

Kind kind_of(const std::string& path) {
  const std::string name = lower(path);
  if (name.ends_with(".npy")) return Kind::kNpy;
  return name.ends_with(".npz") ? Kind::kNpz : Kind::kPng;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::vector<std::string> extents;
  for (const int64_t extent : shape) extents.push_back(std::to_string(extent));
  return str('(', join(extents, ", "), shape.size() == 1 ? ",)" : ")");
}

// Throws unless the shape is one or more of `picture`.
void check_shape(const std::string& path, const std::string& what,
                 const std::vector<int64_t>& shape, const std::vector<int64_t>& picture,
                 const std::string& hint) {
  if (!shape.empty() && shape[0] > 0 &&
      std::equal(shape.begin() + 1, shape.end(), picture.begin(), picture.end())) {
    return;
  }
  std::string expected = shape_text(picture);
  expected.replace(0, 1, "(N, ");
  if (picture.size() == 1) expected.erase(expected.size() - 2, 1);
  throw Error(ErrorKind::kData, path,
              str(what, " the shape ", shape_text(shape), ", expected ", expected), hint);
}

void convert_npy(const std::string& path, RecordSink& sink) {
  const NpyFile file(path);
  check_shape(path, "has", file.header().shape, {kSide, kSide, kChannels},
              "Pictures with their channels first become so in Python by "
              "array.transpose(0, 2, 3, 1)");
  std::array<uint8_t, kPicture> pixels;
  for (int64_t begin = 0; begin < file.header().elements; begin += kPicture) {
    file.read(begin, kPicture, reinterpret_cast<std::byte*>(pixels.data()));
    sink.add(pixels);
    sink.end_record();
  }
}

// Labels are not used, but those of other data would be noticed.
void check_labels(const std::string& path, const NpzFile& file, int64_t pictures) {
  constexpr const char* kHint = "Give the .npz batches of ImageNet 64x64 as they are";
  for (const NpzFile::Entry& entry : file.entries()) {
    if (entry.name != "labels" || entry.header.elements == pictures) continue;
    throw Error(ErrorKind::kData, path,
                str("has ", grouped(pictures), " pictures, but ", grouped(entry.header.elements),
                    " labels"),
                kHint);
  }
  const std::vector<int64_t> labels = file.integers("labels");
  const auto [least, most] = std::minmax_element(labels.begin(), labels.end());
  const int64_t first = *least == 0 ? 0 : 1;
  if (*least >= first && *most < first + kClasses) return;
  throw Error(ErrorKind::kData, path,
              str("has labels from ", *least, " to ", *most, ", expected 0 to ", kClasses - 1,
                  " or 1 to ", kClasses),
              kHint);
}

void convert_npz(const std::string& path, RecordSink& sink) {
  const NpzFile file(path);
  NpzMember data = file.open("data");
  check_shape(path, "its member 'data' has", data.header().shape, {kPicture},
              "Give the .npz batches of ImageNet 64x64 as they are; other sizes are not read");
  check_labels(path, file, data.header().shape[0]);
  std::array<std::byte, kPicture> planes;
  std::array<uint8_t, kPicture> pixels;
  while (data.left() > 0) {
    data.read(kPicture, planes.data());
    interleave(planes, kChannels, pixels);
    sink.add(pixels);
    sink.end_record();
  }
}

void convert_picture(const std::string& path, RecordSink& sink) {
  const Picture picture = decode_picture(read_text(path), path);
  if (picture.width != kSide || picture.height != kSide) {
    throw Error(ErrorKind::kData, path,
                str("is a picture of ", picture.width, " x ", picture.height, ", expected ", kSide,
                    " x ", kSide),
                "Pictures of other sizes are read, and scaled, with data.format = \"images\"");
  }
  add_picture(fitted(picture, kTarget), sink);
}

void convert(const std::string& path, RecordSink& sink) {
  switch (kind_of(path)) {
    case Kind::kNpy:
      return convert_npy(path, sink);
    case Kind::kNpz:
      return convert_npz(path, sink);
    case Kind::kPng:
      return convert_picture(path, sink);
  }
}

// An array may have any number of pictures, most of them packed: it goes by itself.
int64_t symbols_of(const std::string& file) {
  return kind_of(file) == Kind::kPng ? kPicture : std::numeric_limits<int64_t>::max();
}

// The two versions hold the same photographs: a part that had both would have them twice.
void check_files(const std::vector<std::string>& files) {
  const auto first = [&](Kind kind) {
    return std::find_if(files.begin(), files.end(),
                        [&](const std::string& file) { return kind_of(file) == kind; });
  };
  const auto npz = first(Kind::kNpz), npy = first(Kind::kNpy), picture = first(Kind::kPng);
  if (npz == files.end() || (npy == files.end() && picture == files.end())) return;
  throw Error(ErrorKind::kData, npy == files.end() ? *picture : *npy,
              "is of one version of ImageNet 64x64, and " + printable(*npz) +
                  ", of the same paths, is of the other",
              "Their pictures were made in different ways: choose one of them by data.paths or "
              "data.suffixes");
}

// What a name says of its part: val_data.npz, train_64x64.
std::optional<Split> part_told_by(const std::string& name) {
  const auto end =
      std::find_if(name.begin(), name.end(), [](unsigned char c) { return std::isalpha(c) == 0; });
  const std::string word = lower(std::string(name.begin(), end));
  if (word == "train" || word == "training") return Split::kTrain;
  const bool valid = word == "val" || word == "valid" || word == "validation";
  return valid ? std::optional(Split::kValid) : std::nullopt;
}

// By the name of the file, of its folder or of the one above that.
std::optional<Split> part_of(const std::string& file) {
  std::filesystem::path path(file);
  for (int level = 0; level < 3; ++level, path = path.parent_path()) {
    if (const auto told = part_told_by(path.filename().string())) return told;
  }
  return std::nullopt;
}

std::vector<Split> own_parts(const RecordStore& store) {
  const auto& files = store.files();
  std::vector<Split> parts;
  const StoredFile* untold = nullptr;
  for (size_t f = 0; f < files.size(); ++f) {
    const int64_t end = f + 1 < files.size() ? files[f + 1].first_record : store.records();
    const std::optional<Split> told = part_of(files[f].name);
    if (told) {
      parts.resize(static_cast<size_t>(end), *told);
    } else {
      untold = &files[f];
    }
    if (untold == nullptr || parts.empty()) continue;
    throw Error(ErrorKind::kData, untold->name,
                "neither its name nor that of its folder begins with train or valid, as those of "
                "other files do",
                "Name the files of each part by data.paths, data.valid_paths and data.test_paths, "
                "or set data.split");
  }
  return parts;
}

std::string version(const Parts& parts) {
  return imagenet64_version(parts.train->records(), parts.valid.front().part->records());
}

std::unique_ptr<Medium> medium(const FormatValues& values) {
  return picture_medium(kTarget, mirrors(values));
}

RecordRules rules(const FormatValues& values) {
  return {
      .noun = pictures_noun(kTarget),
      .suffixes = ".npy .npz .png .PNG",
      .check_files = check_files,
      .converter = {.convert = convert, .symbols = symbols_of, .skip_bad = skips_bad_files(values)},
      .own_parts = own_parts,
      .note = version};
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  return open_records(config, medium(config.values), rules(config.values));
}

}  // namespace

DatasetFormat imagenet64_format() {
  return {.options = {mirror_option(), bad_files_option()},
          .has_own_parts = true,
          .medium = medium,
          .open = open};
}

}  // namespace lacuna
