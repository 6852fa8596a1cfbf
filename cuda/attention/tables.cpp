#include "attention/tables.h"

#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <type_traits>

#include "lacuna/kernels/attention_tables.h"

namespace lacuna::cuda {
namespace attention {
namespace {

constexpr size_t kAlignment = 256;
static_assert(std::has_unique_object_representations_v<sparse::Pass>,
              "padding would spoil the key");

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string bytes_of_passes(const std::vector<sparse::Pass>& passes) {
  std::string bytes = bytes_of(passes.size());
  for (const sparse::Pass& pass : passes) bytes += bytes_of(pass);
  return bytes;
}

/// Where an array begins that comes after `end` bytes, which then include it.
template <class T>
size_t add(const std::vector<T>& values, size_t& end) {
  const size_t at = end, bytes = values.size() * sizeof(T);
  end = (at + bytes + kAlignment - 1) / kAlignment * kAlignment;
  return at;
}

template <class T>
void put(const std::vector<T>& values, size_t at, std::vector<unsigned char>& bytes) {
  if (!values.empty()) std::memcpy(bytes.data() + at, values.data(), values.size() * sizeof(T));
}

/// Bytes of every distinct set of tables, each counted once.
class Counter {
 public:
  explicit Counter(const AttentionTables& tables) : tables_(tables) {}

  void add_layer(const HeadPasses& passes) {
    const Problem problem{
        .dtype = tables_.dtype, .qk = tables_.qk, .v = tables_.v, .capability = tables_.capability};
    const auto chosen = [&](Kernel kernel) {
      return choose(kernel, problem, passes, tables_.kernels);
    };
    if (tables_.forward) add_rows(passes, chosen(Kernel::kForward));
    if (tables_.backward) {
      const Choice queries = chosen(Kernel::kBackwardQueries);
      if (queries.family == Family::kSm90) {
        add_pairs(passes, queries);
      } else {
        add_rows(passes, queries);
        add_rows(passes, chosen(Kernel::kBackwardKeys));
      }
    }
    if (tables_.decode) {
      std::string key = "decode";
      for (const auto& of_head : passes) key += bytes_of_passes(of_head);
      add(key, [&] { return decode_table_bytes(passes, tables_.length); });
    }
  }
  size_t bytes() const { return bytes_; }

 private:
  void add_rows(const HeadPasses& passes, const Choice& choice) {
    add(key_of(TableKind::kRows, passes, tables_.length, choice), [&] {
      return layout_of(make_plan(passes, tables_.length, choice.rows, choice.tile)).bytes;
    });
  }
  void add_pairs(const HeadPasses& passes, const Choice& choice) {
    add(key_of(TableKind::kPairs, passes, tables_.length, choice),
        [&] { return layout_of(make_pair_plan(passes, tables_.length, choice.tile)).bytes; });
  }

  /// Making them takes a while, and searches ask for the same again and again.
  template <class Count>
  void add(const std::string& key, const Count& count) {
    if (!counted_.insert(key).second) return;
    static std::mutex mutex;
    static std::map<std::string, size_t> known;
    const std::lock_guard lock(mutex);
    auto entry = known.find(key);
    if (entry == known.end()) entry = known.emplace(key, count()).first;
    bytes_ += entry->second;
  }

  const AttentionTables& tables_;
  std::set<std::string> counted_;
  size_t bytes_ = 0;
};

}  // namespace

std::string key_of(TableKind kind, const HeadPasses& passes, int64_t length, const Choice& choice) {
  std::string key = kind == TableKind::kRows ? "attention " : "attention pairs ";
  key += bytes_of(length) + bytes_of(choice.rows);
  const Tile& tile = choice.tile;
  key += bytes_of(tile.groups) + bytes_of(tile.group_rows) + bytes_of(tile.column_tile) +
         bytes_of(tile.shares_tiles);
  for (const auto& of_head : passes) key += bytes_of_passes(of_head);
  return key;
}

TableLayout layout_of(const Plan& plan) {
  TableLayout layout{};
  layout.items = add(plan.items, layout.bytes);
  layout.segments = add(plan.segments, layout.bytes);
  layout.walks = add(plan.walks, layout.bytes);
  layout.spans = add(plan.spans, layout.bytes);
  return layout;
}

TableLayout layout_of(const PairPlan& plan) {
  TableLayout layout{};
  layout.items = add(plan.items, layout.bytes);
  layout.segments = add(plan.segments, layout.bytes);
  layout.spans = add(plan.spans, layout.bytes);
  return layout;
}

std::vector<unsigned char> packed(const Plan& plan) {
  const TableLayout layout = layout_of(plan);
  std::vector<unsigned char> bytes(layout.bytes);
  put(plan.items, layout.items, bytes);
  put(plan.segments, layout.segments, bytes);
  put(plan.walks, layout.walks, bytes);
  put(plan.spans, layout.spans, bytes);
  return bytes;
}

std::vector<unsigned char> packed(const PairPlan& plan) {
  const TableLayout layout = layout_of(plan);
  std::vector<unsigned char> bytes(layout.bytes);
  put(plan.items, layout.items, bytes);
  put(plan.segments, layout.segments, bytes);
  put(plan.spans, layout.spans, bytes);
  return bytes;
}

// Heads with the same passes share: what each position sees of each pass (two numbers), the keys of
// the passes in their order, and the slot of each position.
size_t decode_table_bytes(const HeadPasses& passes, int64_t length) {
  std::set<std::string> distinct;
  size_t numbers = 0;
  for (const auto& of_head : passes) {
    if (!distinct.insert(bytes_of_passes(of_head)).second) continue;
    for (const sparse::Pass& pass : of_head) {
      for (int64_t lane = 0; lane < pass.lanes; ++lane) {
        numbers += static_cast<size_t>(pass.key_count(lane));
      }
    }
    numbers += (2 * of_head.size() + 1) * static_cast<size_t>(length);
  }
  return numbers * sizeof(int32_t) + passes.size() * kDecodeHeadBytes;
}

}  // namespace attention

size_t attention_table_bytes(const std::vector<const HeadPasses*>& layers,
                             const AttentionTables& tables) {
  attention::Counter counter(tables);
  for (const HeadPasses* passes : layers) counter.add_layer(*passes);
  return counter.bytes();
}

}  // namespace lacuna::cuda
