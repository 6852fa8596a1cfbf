// The tables of plans as they lie in a GPU's memory: their layout, their bytes, and what makes two
// of them the same. By these functions they are made, and counted (kernels/attention_tables.h).
#pragma once

#include <string>

#include "choice.h"
#include "pair_plan.h"

namespace lacuna::cuda::attention {

/// Of rows: a Plan; of pairs: a PairPlan.
enum class TableKind : uint8_t { kRows, kPairs };

/// All that a plan depends on.
std::string key_of(TableKind kind, const HeadPasses& passes, int64_t length, const Choice& choice);

/// Where the arrays of a plan begin. A PairPlan's walks are none of them.
struct TableLayout {
  size_t items, segments, walks, spans;
  size_t bytes;  // of all
};
TableLayout layout_of(const Plan& plan);
TableLayout layout_of(const PairPlan& plan);

/// layout_of(plan).bytes of the plan of this kind, or somewhat more, without making it, which takes
/// long for long sequences: all spans, and all items and segments that there can be. A plan leaves
/// out what sees nothing, and one of pairs what its items have together. Throws Error(kConfig)
/// naming model.context where a sequence is too long for tables.
size_t bytes_at_most(TableKind kind, const HeadPasses& passes, int64_t length,
                     const Choice& choice);

/// layout_of(plan).bytes bytes.
std::vector<unsigned char> packed(const Plan& plan);
std::vector<unsigned char> packed(const PairPlan& plan);

/// Of the tables of decode.cu, for sequences of this length.
size_t decode_table_bytes(const HeadPasses& passes, int64_t length);
/// Of them, for each head, whether or not it shares the others.
inline constexpr size_t kDecodeHeadBytes = 32;

}  // namespace lacuna::cuda::attention
