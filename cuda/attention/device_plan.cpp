#include "attention/device_plan.h"

#include "attention/tables.h"
#include "lacuna/base/error.h"

namespace lacuna::cuda::attention {
namespace {

/// The arrays of a plan, laid out as they are counted.
template <class P>
Tensor uploaded(GpuStream& stream, const P& plan, const TableLayout& layout) {
  Tensor memory = stream.allocate({static_cast<int64_t>(layout.bytes)}, DType::kU8);
  const std::vector<unsigned char> bytes = packed(plan);
  stream.upload(memory.view().raw(), bytes.data(), bytes.size());
  return memory;
}

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
  return stream.cached<DevicePlan>(key_of(TableKind::kRows, passes, length, choice), [&] {
    const Plan plan = make_plan(passes, length, choice.rows, choice.tile);
    const TableLayout layout = layout_of(plan);
    auto made = std::make_shared<DevicePlan>();
    made->memory = uploaded(stream, plan, layout);
    const auto* base = static_cast<const unsigned char*>(made->memory.view().raw());
    made->items = reinterpret_cast<const Item*>(base + layout.items);
    made->segments = reinterpret_cast<const Segment*>(base + layout.segments);
    made->walks = reinterpret_cast<const Walk*>(base + layout.walks);
    made->spans = reinterpret_cast<const Span*>(base + layout.spans);
    made->walks_on_host = plan.walks;
    made->extents = plan.extents;
    made->stages = plan.stages;
    made->covers = plan.covers;
    return made;
  });
}

const DevicePairPlan& device_pair_plan(GpuStream& stream, const HeadPasses& passes, int64_t length,
                                       const Choice& choice) {
  return stream.cached<DevicePairPlan>(key_of(TableKind::kPairs, passes, length, choice), [&] {
    auto made = std::make_shared<DevicePairPlan>();
    PairPlan& plan = made->plan = make_pair_plan(passes, length, choice.tile);
    const TableLayout layout = layout_of(plan);
    made->memory = uploaded(stream, plan, layout);
    const auto* base = static_cast<const unsigned char*>(made->memory.view().raw());
    made->items = reinterpret_cast<const PairItem*>(base + layout.items);
    made->segments = reinterpret_cast<const PairSegment*>(base + layout.segments);
    made->spans = reinterpret_cast<const Span*>(base + layout.spans);
    plan.items = {};
    plan.segments = {};
    plan.spans = {};
    return made;
  });
}

}  // namespace lacuna::cuda::attention
