// What is on the disk after a preparation, however often it was interrupted, and what is refused.
#include "lacuna/data/shards.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "../../src/data/shards_layout.h"
#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/base/text.h"
#include "lacuna/data/checksum.h"

using namespace lacuna;

namespace {

struct Interrupted {};

// A file's lines are its records; one that is "bad" spoils its file.
void convert_lines(const std::string& file, RecordSink& sink) {
  const std::string text = read_text(file);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin) + 1;
    const std::string line = text.substr(begin, end - begin);
    if (line == "bad\n") throw Error(ErrorKind::kData, file, "is bad");
    const auto* bytes = reinterpret_cast<const uint8_t*>(line.data());
    sink.add({bytes, line.size() / 2});
    sink.add({bytes + line.size() / 2, line.size() - line.size() / 2});
    sink.end_record();
    begin = end;
  }
}

const Recipe kRecipe{.format = "lines", .options = {{"size", "3"}}};

struct Files {
  TempFolder folder;
  std::vector<std::string> all;
  std::string text;  // of the good ones

  // The fourth is bad in its middle, after more than a shard.
  explicit Files(bool one_size) {
    for (int f = 0; f < 8; ++f) {
      std::string lines;
      for (int line = 0; line < 5 + 3 * (f % 3); ++line) {
        lines += std::string(static_cast<size_t>(one_size ? 9 : 3 + (7 * line + f) % 11),
                             static_cast<char>('a' + f));
        lines += '\n';
      }
      if (f == 3) {
        lines += lines + lines + "bad\nlast\n";
      } else {
        text += lines;
      }
      all.push_back(folder.put(str("file", f), lines));
    }
    all.push_back(folder.put("file8", ""));
  }
};

Prepared prepare(const std::string& out, const Files& files,
                 std::function<void(const PreparationProgress&)> progress = {},
                 bool small_files = false) {
  Preparation preparation{
      .folder = out, .skip_bad = true, .shard_bytes = 64, .progress = std::move(progress)};
  return prepare_shards(out, files.all, {.convert = convert_lines, .small_files = small_files},
                        kRecipe, preparation);
}

std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    all[entry.path().filename().string()] = read_text(entry.path().string());
  }
  return all;
}

std::string symbols_of(const RecordStore& store) {
  std::string text(static_cast<size_t>(store.size()), '\0');
  store.read(0, store.size(), reinterpret_cast<std::byte*>(text.data()));
  return text;
}

std::string with(const std::string& text, const std::string& from, const std::string& to) {
  std::string other = text;
  REQUIRE(other.find(from) != std::string::npos);
  return other.replace(other.find(from), from.size(), to);
}

// With the checksum that makes it pass.
std::string resealed(std::string text) {
  const size_t end = text.find(",\n \"checksum\"");
  text.resize(end);
  std::string body = text + "\n}";
  std::string flat;
  bool in_string = false;
  for (const char c : body) {
    if (c == '"') in_string = !in_string;
    if (!in_string && (c == ' ' || c == '\n')) continue;
    flat += c;
  }
  Checksum checksum;
  checksum.add(flat.data(), flat.size());
  return text + ",\n \"checksum\": \"" + checksum.text() + "\"\n}\n";
}

}  // namespace

TEST_CASE("shards hold whole records of all good files, in order") {
  const bool one_size = GENERATE(false, true), small_files = GENERATE(false, true);
  CAPTURE(one_size, small_files);
  const Files files(one_size);
  const std::string out = files.folder / "out";
  const Prepared made = prepare(out, files, {}, small_files);
  CHECK(made.sources == 9);
  CHECK(made.symbols == std::ssize(files.text));
  CHECK(made.records == std::count(files.text.begin(), files.text.end(), '\n'));
  REQUIRE(made.left_out.size() == 1);
  CHECK(made.left_out[0].find("file3") != std::string::npos);
  CHECK(std::filesystem::exists(out + "/record_ends.bin") == !one_size);

  const auto store = store_of_shards(out, kRecipe);
  CHECK(symbols_of(*store) == files.text);
  CHECK(store->records() == made.records);
  int64_t begin = 0;
  for (int64_t record = 0; record < store->records(); ++record) {
    REQUIRE(store->record_begin(record) == begin);
    begin = static_cast<int64_t>(files.text.find('\n', static_cast<size_t>(begin))) + 1;
  }
  CHECK(store->record_begin(store->records()) == begin);
  CHECK(store->files().size() == 7);  // neither the bad one nor the empty one
  CHECK(store->record_name(5) == files.all[1] + "#0");
  CHECK(store->checksum({}) == store->RecordStore::checksum({}));
  for (const auto& [name, bytes] : contents(out)) {
    if (!name.starts_with("shard-")) continue;
    CHECK(bytes.back() == '\n');
    CHECK(bytes.size() < 64 + 12);
  }
}

TEST_CASE("a preparation that is interrupted anywhere, again and again, ends with the same bytes") {
  const bool one_size = GENERATE(false, true);
  const Files files(one_size);
  const std::string whole = files.folder / "whole", broken = files.folder / "broken";
  int calls = 0;
  (void)prepare(whole, files, [&](const PreparationProgress&) { ++calls; });
  REQUIRE(calls >= 9);
  const auto expected = contents(whole);
  for (int first = 0; first < calls; ++first) {
    std::filesystem::remove_all(broken);
    int interruptions = 0;
    for (int limit = first; !std::filesystem::exists(broken + "/manifest.json"); ++limit) {
      int left = limit;
      try {
        (void)prepare(broken, files, [&](const PreparationProgress&) {
          if (left-- == 0) throw Interrupted();
        });
      } catch (const Interrupted&) {
        ++interruptions;
        // What a crash may leave behind what is whole.
        if (interruptions % 2 == 0) {
          AppendFile(shards::sources_path(broken)).append("12\t3");
          AppendFile(shards::ends_path(broken)).append("half");
          AppendFile(shards::shard_path(broken, 0)).append("more");
          AppendFile(shards::shard_path(broken, 1)).append("");
        }
        CHECK(is_prepared(broken));
        expect_error(ErrorKind::kData, "not finished",
                     [&] { (void)store_of_shards(broken, kRecipe); });
      }
    }
    CHECK(interruptions > 0);
    CHECK(contents(broken) == expected);
  }
}

TEST_CASE("a folder with anything else in it, or of another preparation, is left alone") {
  const Files files(true);
  const std::string out = files.folder / "out";
  files.folder.put("out/notes.txt", "mine");
  expect_error(ErrorKind::kUsage, "notes.txt", [&] { (void)prepare(out, files); });
  std::filesystem::remove(out + "/notes.txt");
  files.folder.put("out/manifest.json", "{}\n");
  expect_error(ErrorKind::kUsage, "manifest.json", [&] { (void)prepare(out, files); });
  std::filesystem::remove(out + "/manifest.json");
  CHECK(!prepare(out, files).was_there);
  CHECK(prepare(out, files).was_there);
  files.folder.put("file2", "changed\n");
  expect_error(ErrorKind::kUsage, "changed", [&] { (void)prepare(out, files); });
  expect_error(ErrorKind::kData, "is stale", [&] { (void)store_of_shards(out, kRecipe); });
  std::filesystem::remove(files.folder / "file2");
  CHECK_NOTHROW(store_of_shards(out, kRecipe));  // as on another machine
  expect_error(ErrorKind::kConfig, "data.size = '3', but data.size is '4'", [&] {
    (void)store_of_shards(out, {.format = "lines", .options = {{"size", "4"}}});
  });
  expect_error(ErrorKind::kConfig, "data.format = lines, but data.format is others", [&] {
    (void)store_of_shards(out, {.format = "others", .options = {{"size", "3"}}});
  });
}

TEST_CASE("every byte of a manifest counts") {
  const Files files(false);
  const std::string out = files.folder / "out";
  (void)prepare(out, files);
  const std::string text = read_text(out + "/manifest.json");
  const auto parsed = shards::parse_manifest(text, "m");
  CHECK(shards::manifest_text(parsed) == text);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = static_cast<char>(other[i] ^ 1);
    CHECK_THROWS_AS(shards::parse_manifest(other, "m"), Error);
  }
  CHECK(resealed(text) == text);
  expect_error(ErrorKind::kConfig, "is of layout 2, this lacuna reads layout 1", [&] {
    (void)shards::parse_manifest(with(text, "\"version\": 1", "\"version\": 2"), "m");
  });
  expect_error(ErrorKind::kData, "do not add up", [&] {
    const std::string fewer = with(text, "\"symbols\": ", "\"symbols\": 1");
    (void)shards::parse_manifest(resealed(fewer), "m");
  });
}

TEST_CASE("shards that are missing, cut or changed are found") {
  const Files files(false);
  const std::string out = files.folder / "out", shard = out + "/shard-00001.bin";
  (void)prepare(out, files);
  const std::string bytes = read_text(shard);
  std::filesystem::remove(shard);
  expect_error(ErrorKind::kData, "shard-00001.bin: is missing",
               [&] { (void)store_of_shards(out, kRecipe); });
  write_atomic(shard, bytes.substr(1));
  expect_error(ErrorKind::kData, "the manifest says", [&] { (void)store_of_shards(out, kRecipe); });

  // Newer than the manifest, so that its checksum is not taken on trust.
  const auto later = std::filesystem::last_write_time(out + "/manifest.json");
  std::string other = bytes;
  other[3] ^= 1;
  write_atomic(shard, other);
  std::filesystem::last_write_time(shard, later + std::chrono::seconds(1));
  expect_error(ErrorKind::kData, "is damaged",
               [&] { (void)store_of_shards(out, kRecipe)->checksum({}); });
  expect_error(ErrorKind::kData, "is damaged", [&] { (void)check_shards(out, {}); });
  write_atomic(shard, bytes);
  CHECK(check_shards(out, {}).symbols == std::ssize(files.text));

  for (const char* name : {"sources.tsv", "record_ends.bin"}) {
    const std::string path = out + "/" + name, good = read_text(path);
    write_atomic(path, good.substr(0, good.size() - 8));
    expect_error(ErrorKind::kData, name, [&] { (void)store_of_shards(out, kRecipe); });
    write_atomic(path, good);
  }
  CHECK_NOTHROW(store_of_shards(out, kRecipe));
}

TEST_CASE("names with any bytes but a zero come back from the table of sources") {
  const Source source{
      .path = "a\tb\\n\nc\xff/ü", .size = 12, .time = -5, .records = 0, .reason = "is\tbad"};
  const std::string header = shards::header_line(kRecipe, "/where");
  const auto table = shards::parse_sources(
      header + "\n" + shards::source_line(source) + "\n" + "7\t8\t9\tcut", "s");
  CHECK(table.header == header);
  CHECK(table.folder == "/where");
  REQUIRE(table.sources.size() == 1);
  CHECK(table.sources[0] == source);
  for (const char* line :
       {"1\t2\t3", "1\t2\tx\ta", "-1\t2\t3\ta", "1\t2\t3\ta\tbad", "0\t2\t3\ta\t", "1\t2\t3\ta\\",
        "1\t2\t3\ta\\x", "99999999999999999999\t2\t3\ta"}) {
    CAPTURE(line);
    expect_error(ErrorKind::kData, "is damaged",
                 [&] { (void)shards::parse_sources(header + "\n" + line + "\n", "s"); });
  }
}
