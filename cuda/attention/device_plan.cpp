#include "attention/device_plan.h"

#include <type_traits>

#include "lacuna/base/error.h"

namespace lacuna::cuda::attention {
namespace {

constexpr size_t kAlignment = 256;
static_assert(std::has_unique_object_representations_v<sparse::Pass>,
              "padding would spoil the key");

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// All that a plan depends on.
std::string key_of(const char* kind, const HeadPasses& passes, int64_t length,
                   const Choice& choice) {
  std::string key = kind;
  key += bytes_of(length) + bytes_of(choice.rows);
  const Tile& tile = choice.tile;
  key += bytes_of(tile.groups) + bytes_of(tile.group_rows) + bytes_of(tile.column_tile) +
         bytes_of(tile.shares_tiles);
  for (const auto& of_head : passes) {
    key += bytes_of(of_head.size());
    for (const sparse::Pass& pass : of_head) key += bytes_of(pass);
  }
  return key;
}

/// Puts arrays one behind the other.
class Packer {
 public:
  template <class T>
  size_t add(const std::vector<T>& values) {
    const size_t at = bytes_.size();
    const auto* from = reinterpret_cast<const unsigned char*>(values.data());
    bytes_.insert(bytes_.end(), from, from + values.size() * sizeof(T));
    while (bytes_.size() % kAlignment != 0) bytes_.push_back(0);
    return at;
  }
  const std::vector<unsigned char>& bytes() const { return bytes_; }

 private:
  std::vector<unsigned char> bytes_;
};

}  // namespace

Work DevicePlan::stage(size_t index, int64_t batch, int64_t length, int64_t heads) const {
  require(stages[index].items * batch < int64_t{1} << 31, "attention",
          "too many tiles for one launch");
  return {.items = items + stages[index].first_item,
          .segments = segments,
          .walks = walks,
          .spans = spans,
          .count = stages[index].items,
          .batch = static_cast<int32_t>(batch),
          .length = static_cast<int32_t>(length),
          .heads = static_cast<int32_t>(heads)};
}

const DevicePlan& device_plan(GpuStream& stream, const HeadPasses& passes, int64_t length,
                              const Choice& choice) {
  return stream.cached<DevicePlan>(key_of("attention ", passes, length, choice), [&] {
    const Plan plan = make_plan(passes, length, choice.rows, choice.tile);
    Packer packer;
    const size_t items = packer.add(plan.items), segments = packer.add(plan.segments);
    const size_t walks = packer.add(plan.walks), spans = packer.add(plan.spans);
    const auto size = static_cast<int64_t>(packer.bytes().size());
    auto made = std::make_shared<DevicePlan>();
    made->memory = stream.allocate({size}, DType::kU8);
    auto* base = static_cast<unsigned char*>(made->memory.view().raw());
    stream.upload(base, packer.bytes().data(), packer.bytes().size());
    made->items = reinterpret_cast<const Item*>(base + items);
    made->segments = reinterpret_cast<const Segment*>(base + segments);
    made->walks = reinterpret_cast<const Walk*>(base + walks);
    made->spans = reinterpret_cast<const Span*>(base + spans);
    made->walks_on_host = plan.walks;
    made->extents = plan.extents;
    made->stages = plan.stages;
    made->covers = plan.covers;
    return made;
  });
}

const DevicePairPlan& device_pair_plan(GpuStream& stream, const HeadPasses& passes, int64_t length,
                                       const Choice& choice) {
  return stream.cached<DevicePairPlan>(key_of("attention pairs ", passes, length, choice), [&] {
    auto made = std::make_shared<DevicePairPlan>();
    PairPlan& plan = made->plan = make_pair_plan(passes, length, choice.tile);
    Packer packer;
    const size_t items = packer.add(plan.items), segments = packer.add(plan.segments);
    const size_t spans = packer.add(plan.spans);
    const auto size = static_cast<int64_t>(packer.bytes().size());
    made->memory = stream.allocate({size}, DType::kU8);
    auto* base = static_cast<unsigned char*>(made->memory.view().raw());
    stream.upload(base, packer.bytes().data(), packer.bytes().size());
    made->items = reinterpret_cast<const PairItem*>(base + items);
    made->segments = reinterpret_cast<const PairSegment*>(base + segments);
    made->spans = reinterpret_cast<const Span*>(base + spans);
    plan.items = {};
    plan.segments = {};
    plan.spans = {};
    return made;
  });
}

}  // namespace lacuna::cuda::attention
