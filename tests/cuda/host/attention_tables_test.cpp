// What attention's tables take of a GPU's memory is what is packed for it. Needs no GPU.
#include "lacuna/kernels/attention_tables.h"

#include "../../../cuda/attention/pair_plan.h"
#include "../../../cuda/attention/plan.h"
#include "../../catch.h"
#include "lacuna/sparse/pattern.h"

using namespace lacuna;
using namespace lacuna::cuda::attention;

namespace {

constexpr int64_t kHeads = 4, kLength = 1000;

HeadPasses passes_of(const char* pattern) {
  return sparse::head_passes(*sparse::parse_pattern(pattern), kHeads, kLength);
}

template <class T>
size_t padded(const std::vector<T>& values) {
  return (values.size() * sizeof(T) + 255) / 256 * 256;
}

size_t bytes_of(const HeadPasses& passes, RowsAre rows, const Tile& tile) {
  const Plan plan = make_plan(passes, kLength, rows, tile);
  return padded(plan.items) + padded(plan.segments) + padded(plan.walks) + padded(plan.spans);
}

size_t counted(const std::vector<const HeadPasses*>& layers, cuda::AttentionTables tables) {
  tables.length = kLength;
  return cuda::attention_table_bytes(layers, tables);
}

}  // namespace

TEST_CASE("The tables of attention are counted as they are made, each once", "[plan][memory]") {
  const HeadPasses fixed = passes_of("fixed(32, 8)"), local = passes_of("local(32)");
  constexpr Tile kGeneral{.groups = 4, .group_rows = 32, .column_tile = 64};
  constexpr Tile kHopper{.groups = 8, .group_rows = 16, .column_tile = 64, .shares_tiles = true};
  cuda::AttentionTables tables{.dtype = DType::kBF16, .qk = 64, .v = 64, .capability = 80};
  for (const HeadPasses* passes : {&fixed, &local}) {
    const size_t queries = bytes_of(*passes, RowsAre::kQueries, kGeneral),
                 keys = bytes_of(*passes, RowsAre::kKeys, kGeneral);
    tables.capability = 80;
    tables.forward = true;
    tables.backward = false;
    CHECK(counted({passes}, tables) == queries);
    tables.backward = true;  // the queries' kernel walks what the forward kernel does
    CHECK(counted({passes, passes}, tables) == queries + keys);

    tables.capability = 90;
    const PairPlan pairs = make_pair_plan(*passes, kLength, kHopper);
    CHECK(counted({passes}, tables) == bytes_of(*passes, RowsAre::kQueries, kHopper) +
                                           padded(pairs.items) + padded(pairs.segments) +
                                           padded(pairs.spans));
  }
  CHECK(counted({&fixed, &local, &fixed}, tables) ==
        counted({&fixed}, tables) + counted({&local}, tables));
}
