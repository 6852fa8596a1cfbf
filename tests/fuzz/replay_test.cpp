// The seeds of the fuzz targets and everything that fuzzing has found, replayed by every build.
#include <filesystem>
#include <utility>

#include "../catch.h"
#include "lacuna/base/files.h"
#include "targets.h"

using namespace lacuna;

TEST_CASE("every kept input of the fuzz targets gets a value or a refusal") {
  constexpr std::pair<const char*, void (*)(std::string_view)> kTargets[] = {
      {"safetensors", fuzz::safetensors},
      {"config", fuzz::config},
      {"manifest", fuzz::manifest},
      {"npy", fuzz::npy},
      {"npz", fuzz::npz},
      {"picture", fuzz::picture},
      {"shards", fuzz::shards},
      {"sound", fuzz::sound},
      {"cifar10", fuzz::cifar10}};
  for (const auto& [name, target] : kTargets) {
    int replayed = 0;
    for (const auto& entry : std::filesystem::directory_iterator(
             std::string(LACUNA_SOURCE_DIR "/tests/fuzz/seeds/") + name)) {
      CAPTURE(entry.path().string());
      CHECK_NOTHROW(target(read_text(entry.path().string())));
      ++replayed;
    }
    CHECK(replayed >= 5);
  }
}
