// What attention's tables take of a GPU's memory is counted without making them: never less than is
// packed, and little more. Needs no GPU.
#include "lacuna/kernels/attention_tables.h"

#include "../../../cuda/attention/tables.h"
#include "../../catch.h"
#include "lacuna/base/error.h"
#include "lacuna/sparse/pattern.h"

using namespace lacuna;
using namespace lacuna::cuda::attention;

namespace {

constexpr int64_t kHeads = 4;

HeadPasses passes_of(const std::string& pattern, int64_t length) {
  return sparse::head_passes(*sparse::parse_pattern(pattern), kHeads, length);
}

size_t made(TableKind kind, const HeadPasses& passes, int64_t length, const Choice& choice) {
  if (kind == TableKind::kPairs) return packed(make_pair_plan(passes, length, choice.tile)).size();
  return packed(make_plan(passes, length, choice.rows, choice.tile)).size();
}

constexpr Tile kGeneral{.groups = 4, .group_rows = 32, .column_tile = 64};
constexpr Tile kF32{.groups = 4, .group_rows = 16, .column_tile = 64};
constexpr Tile kHopper{.groups = 8, .group_rows = 16, .column_tile = 64, .shares_tiles = true};

Choice with(const Tile& tile, RowsAre rows) {
  return {.family = Family::kGeneral, .qk = 64, .v = 64, .rows = rows, .tile = tile};
}

}  // namespace

TEST_CASE("Attention's tables are counted without making them, none too few and few too many",
          "[plan][memory]") {
  for (const char* pattern :
       {"dense()", "local(1)", "local(32)", "local(128)", "block(32)", "block(128)", "column(8)",
        "column(32)", "column(128)", "summary(32, 8)", "summary(128, 32, 4)", "strided(32)",
        "strided(128)", "fixed(32, 8)", "fixed(128, 32, 4)", "local(64) | column(64)"}) {
    for (const int64_t length : {1, 100, 1000, 1024, 4096}) {
      const HeadPasses passes = passes_of(pattern, length);
      const auto check = [&](TableKind kind, const Choice& choice, double more) {
        CAPTURE(pattern, length, choice.tile.groups, choice.tile.group_rows,
                choice.rows == RowsAre::kKeys, kind == TableKind::kPairs);
        const size_t packed = made(kind, passes, length, choice),
                     counted = bytes_at_most(kind, passes, length, choice);
        CHECK(counted >= packed);
        CHECK(static_cast<double>(counted) <= more * static_cast<double>(packed) + 16384);
      };
      for (const RowsAre rows : {RowsAre::kQueries, RowsAre::kKeys}) {
        for (const Tile& tile : {kGeneral, kF32, kHopper}) {
          check(TableKind::kRows, with(tile, rows), 1.1);
        }
      }
      check(TableKind::kPairs, with(kHopper, RowsAre::kQueries), 1.4);
    }
  }
}

TEST_CASE("The tables of a model are those of its kernels, each counted once", "[plan][memory]") {
  constexpr int64_t kLength = 1000;
  const HeadPasses fixed = passes_of("fixed(32, 8)", kLength),
                   local = passes_of("local(32)", kLength);
  const auto counted = [&](const std::vector<const HeadPasses*>& layers,
                           const cuda::AttentionTables& tables) {
    return cuda::attention_table_bytes(layers, tables);
  };
  cuda::AttentionTables tables{
      .dtype = DType::kBF16, .qk = 64, .v = 64, .length = kLength, .capability = 80};
  for (const HeadPasses* passes : {&fixed, &local}) {
    const auto bytes = [&](TableKind kind, const Tile& tile, RowsAre rows) {
      return bytes_at_most(kind, *passes, kLength, with(tile, rows));
    };
    const size_t queries = bytes(TableKind::kRows, kGeneral, RowsAre::kQueries);
    tables.capability = 80;
    tables.forward = true;
    tables.backward = false;
    CHECK(counted({passes}, tables) == queries);
    tables.backward = true;  // the queries' kernel walks what the forward kernel does
    CHECK(counted({passes, passes}, tables) ==
          queries + bytes(TableKind::kRows, kGeneral, RowsAre::kKeys));

    tables.capability = 90;
    CHECK(counted({passes}, tables) == bytes(TableKind::kRows, kHopper, RowsAre::kQueries) +
                                           bytes(TableKind::kPairs, kHopper, RowsAre::kQueries));
    tables.qk = 48;  // not what Hopper's kernels take
    CHECK(counted({passes}, tables) == queries + bytes(TableKind::kRows, kGeneral, RowsAre::kKeys));
    tables.qk = 64;
  }
  CHECK(counted({&fixed, &local, &fixed}, tables) ==
        counted({&fixed}, tables) + counted({&local}, tables));
}

TEST_CASE("A sequence too long for tables is refused before they are made", "[plan][memory]") {
  const int64_t length = int64_t{1} << 31;
  const HeadPasses passes = passes_of("local(128)", length);
  CHECK_THROWS_AS(
      bytes_at_most(TableKind::kPairs, passes, length, with(kHopper, RowsAre::kQueries)), Error);
}
