#include <sys/resource.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <thread>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/data/dataset.h"

using namespace lacuna;

namespace {

DatasetConfig bytes(std::vector<std::string> paths, std::string suffixes = "",
                    std::string split = "1 / 0") {
  return {.format = "bytes",
          .paths = std::move(paths),
          .suffixes = std::move(suffixes),
          .split = std::move(split)};
}

std::string read(const Dataset& data, Split split, int64_t begin, int64_t count) {
  std::vector<int32_t> symbols(static_cast<size_t>(count));
  data.part(split).read(begin, count, symbols.data());
  std::string text;
  for (const int32_t symbol : symbols) {
    REQUIRE(symbol >= 0);
    REQUIRE(symbol < 256);
    text += static_cast<char>(symbol);
  }
  return text;
}

std::string whole(const DatasetConfig& config) {
  const auto data = open_dataset(config);
  return read(*data, Split::kTrain, 0, data->part(Split::kTrain).size());
}

}  // namespace

TEST_CASE("bytes of several files follow in the order given, empty files left out") {
  const TempFolder folder;
  const std::string a = folder.put("a", "first\n"), b = folder.put("b", std::string("\0\xff", 2));
  const std::string empty = folder.put("empty", "");
  CHECK(whole(bytes({a})) == "first\n");
  CHECK(whole(bytes({b, empty, a})) == std::string("\0\xff", 2) + "first\n");
  CHECK(open_dataset(bytes({a}))->medium().vocabulary() == 256);
}

TEST_CASE("a folder gives its files with one of the suffixes, sorted bytewise by path") {
  const TempFolder folder;
  folder.put("src/z.cpp", "[z]");
  folder.put("src/a.h", "[a]");
  folder.put("src/B.cpp", "[B]");
  folder.put("src/deep/er/x.cpp", "[x]");
  folder.put("src/deep.cpp", "[deep]");   // '.' sorts before '/'
  folder.put("src/\xc3\xa9.cpp", "[e]");  // above ASCII: bytes compare unsigned
  folder.put("src/readme.md", "[md]");
  folder.put("src/x.cpp.orig", "[orig]");
  folder.put("src/.hidden.cpp", "[hidden]");
  folder.put("src/.git/config.cpp", "[git]");
  folder.put("other/o.md", "[o]");
  std::filesystem::create_directory(folder / "src/folder.cpp");
  std::filesystem::create_symlink("../other/o.md", folder / "src/link.cpp");
  std::filesystem::create_symlink("nowhere", folder / "src/dangling.cpp");

  const std::string root = folder / "src";
  CHECK(whole(bytes({root}, ".cpp")) == "[B][deep][x][o][z][e]");
  CHECK(whole(bytes({root}, " .h  .md ")) == "[a][md]");
  CHECK(whole(bytes({root})) == "[B][a][deep][x][o][md][orig][z][e]");
  CHECK(whole(bytes({folder / "other", root}, ".md")) == "[o][md]");
  // A file given by name needs no suffix.
  CHECK(whole(bytes({root, folder / "other/o.md"}, ".h")) == "[a][o]");
}

TEST_CASE("links to folders are followed, and change the place of nothing that is found without") {
  const TempFolder folder;
  folder.put("src/m/x", "[x]");
  folder.put("other/f", "[f]");
  folder.put("other/sub/g", "[g]");
  const std::string root = folder / "src";
  std::filesystem::create_directory_symlink("m", folder / "src/a");  // m stays itself
  std::filesystem::create_symlink("../other/f", folder / "src/z");   // the file before its folder
  std::filesystem::create_directory_symlink("../other", folder / "src/k");
  std::filesystem::create_directory_symlink("../other/sub", folder / "src/b");  // before k in it
  std::filesystem::create_directory_symlink("../../src", folder / "other/sub/loop");
  std::filesystem::create_hard_link(folder / "src/m/x", folder / "src/hard");  // a file of its own
  CHECK(whole(bytes({root})) == "[g][x][x][f]");
  folder.put("other/h", "[h]");
  CHECK(whole(bytes({root})) == "[g][x][h][x][f]");
}

TEST_CASE("any range of any part reads the same as the concatenated files") {
  const TempFolder folder;
  std::mt19937 random(1);
  std::string all;
  std::vector<std::string> paths;
  // On both sides of the size from which files are read when asked for instead of copied.
  for (const size_t size : {size_t{3}, size_t{70'000}, size_t{1}, size_t{65'536}, size_t{65'535}}) {
    std::string piece(size, '\0');
    for (char& c : piece) c = static_cast<char>(random());
    paths.push_back(folder.put("f" + std::to_string(paths.size()), piece));
    all += piece;
  }
  const auto data = open_dataset(bytes(paths, "", "100k / 60k / 7"));
  CHECK(data->part(Split::kTrain).size() == 100'000);
  CHECK(data->part(Split::kValid).size() == 60'000);
  CHECK(data->part(Split::kTest).size() == 7);
  const int64_t starts[] = {0, 100'000, 160'000};
  for (int i = 0; i < 200; ++i) {
    const auto part = static_cast<size_t>(random() % 3);
    const int64_t size = data->part(kSplits[part]).size();
    const int64_t begin = static_cast<int64_t>(random()) % (size + 1);
    const int64_t count = static_cast<int64_t>(random()) % (size - begin + 1);
    const std::string expected =
        all.substr(static_cast<size_t>(starts[part] + begin), static_cast<size_t>(count));
    REQUIRE(read(*data, kSplits[part], begin, count) == expected);
  }
}

TEST_CASE("more files than the process may hold open or map read the same, by several threads") {
  const TempFolder folder;
  std::string all;
  for (int i = 0; i < 60; ++i) {
    const std::string piece(65'536 + i, static_cast<char>('0' + i));
    folder.put("f" + std::to_string(100 + i), piece);
    all += piece;
  }
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{40, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto data = open_dataset(bytes({folder.path()}));
  const int64_t size = data->part(Split::kTrain).size();
  std::vector<std::vector<int32_t>> found(4, std::vector<int32_t>(static_cast<size_t>(size)));
  std::vector<std::thread> threads;
  for (auto& symbols : found) {
    threads.emplace_back([&] { data->part(Split::kTrain).read(0, size, symbols.data()); });
  }
  for (std::thread& thread : threads) thread.join();
  setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE(size == static_cast<int64_t>(all.size()));
  for (const auto& symbols : found) CHECK(std::equal(all.begin(), all.end(), symbols.begin()));
}

TEST_CASE("reading outside a part is an internal error, even where the next part has symbols") {
  const TempFolder folder;
  const auto data = open_dataset(bytes({folder.put("f", "0123456789")}, "", "5 / 3 / 2"));
  const auto refuse = [&](int64_t begin, int64_t count) {
    expect_error(ErrorKind::kInternal, "there are 5",
                 [&] { read(*data, Split::kTrain, begin, count); });
  };
  int32_t unused = 0;
  CHECK(read(*data, Split::kTrain, 5, 0).empty());
  CHECK(read(*data, Split::kTest, 2, 0).empty());
  refuse(0, 6);
  refuse(5, 1);
  refuse(6, 0);
  refuse(-1, 2);
  expect_error(ErrorKind::kInternal, "asked",
               [&] { data->part(Split::kTrain).read(1, -1, &unused); });
  expect_error(ErrorKind::kInternal, "asked",
               [&] { data->part(Split::kTrain).read(1, INT64_MAX, &unused); });
}

TEST_CASE("the identity is the XXH3 of all bytes and their number, whatever files hold them") {
  const TempFolder folder;
  std::string all(100'000, 'a');
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i * i % 251);
  char expected[64];
  std::snprintf(expected, sizeof expected, "%016llx:100000",
                static_cast<unsigned long long>(XXH3_64bits(all.data(), all.size())));
  const std::string one = folder.put("one", all);
  const std::string head = folder.put("head", all.substr(0, 70'001));
  const std::string tail = folder.put("tail", all.substr(70'001));
  CHECK(open_dataset(bytes({one}))->identity() == expected);
  CHECK(open_dataset(bytes({head, tail}, "", "0.5 / 0.5"))->identity() == expected);
  CHECK(open_dataset(bytes({tail, head}))->identity() != expected);
}

TEST_CASE("a dataset describes its files and parts") {
  const TempFolder folder;
  const auto data = open_dataset(bytes({folder.put("f", std::string(2000, 'x'))}, "", "0.9/0.1"));
  CHECK(data->describe() == "bytes: 1 file, 2,000 bytes: train 1,800, valid 200, test 0");
}

TEST_CASE("a dataset that cannot be opened says why") {
  const TempFolder folder;
  const std::string empty = folder.put("empty/e.txt", "");
  std::filesystem::create_directory(folder / "bare");
  const auto refuse = [](ErrorKind kind, const std::string& fragment, const DatasetConfig& config) {
    expect_error(kind, fragment, [&] { open_dataset(config); });
  };
  refuse(ErrorKind::kData, "missing", bytes({folder / "missing"}));
  refuse(ErrorKind::kData, "no files", bytes({folder / "bare"}));
  refuse(ErrorKind::kData, ".cpp .h", bytes({folder / "empty"}, ".cpp .h"));
  refuse(ErrorKind::kData, "empty", bytes({empty}));
  refuse(ErrorKind::kData, "empty", bytes({folder / "empty"}));
  refuse(ErrorKind::kData, "regular file", bytes({"/dev/zero"}));
  refuse(ErrorKind::kConfig, "data.paths", bytes({}));
  refuse(ErrorKind::kConfig, "data.split", bytes({folder.put("f", "abc")}, "", "3 / 1"));
  refuse(ErrorKind::kConfig, "Did you mean 'bytes'?", {.format = "byte", .paths = {empty}});
  refuse(ErrorKind::kConfig, "echo", {.format = "zzzzzzzzzzzzzzzz", .paths = {empty}});
}
