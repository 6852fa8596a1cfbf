#include "lacuna/nn/parameters.h"

#include <algorithm>

#include "lacuna/base/rng.h"

namespace lacuna::nn {
namespace {

constexpr int64_t kAlignElements = 16;  // 64 bytes of f32

template <class T>
void draw(const ParameterSpec& spec, PhiloxKey key, uint64_t index, T* values) {
  const int64_t count = spec.shape.count();
  if (spec.std <= 0) {
    std::fill(values, values + count, T(spec.constant));
    return;
  }
  for (int64_t at = 0; at < count; at += 2) {
    const auto pair = normal_pair(random_words(key, index, 0, static_cast<uint32_t>(at / 2)));
    values[at] = T(spec.std * pair[0]);
    if (at + 1 < count) values[at + 1] = T(spec.std * pair[1]);
  }
}

}  // namespace

ParameterStore::ParameterStore(const std::vector<ParameterSpec>& specs, DType dtype,
                               bool with_gradients) {
  for (const ParameterSpec& spec : specs) {
    const bool fresh = index_.emplace(spec.name, slices_.size()).second;
    require(fresh, "ParameterStore", "two parameters of one name");
    slices_.push_back({spec.name, spec.shape, 0, spec.shape.count()});
  }
  for (auto slice = slices_.rbegin(); slice != slices_.rend(); ++slice) {
    slice->offset = flat_count_;
    flat_count_ += (slice->count + kAlignElements - 1) / kAlignElements * kAlignElements;
  }
  values_ = Tensor::zeros({flat_count_}, dtype);
  if (with_gradients) gradients_ = Tensor::zeros({flat_count_}, dtype);
}

void ParameterStore::initialise(const std::vector<ParameterSpec>& specs, uint64_t seed) {
  const PhiloxKey key = random_key(seed, RandomUse::kInit, 0);
  for (size_t k = 0; k < specs.size(); ++k) {
    const View values = at(specs[k].name).value;
    if (values.dtype() == DType::kF64) {
      draw(specs[k], key, k, values.data<double>());
    } else {
      draw(specs[k], key, k, values.data<float>());
    }
  }
}

Parameter ParameterStore::at(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) {
    throw Error(ErrorKind::kInternal, "ParameterStore::at", "no parameter called " + name);
  }
  const ParameterSlice& slice = slices_[found->second];
  return {slice_of(values_, slice), gradients_.present() ? slice_of(gradients_, slice) : View()};
}

View ParameterStore::slice_of(const View& flat, const ParameterSlice& slice) {
  return flat.slice(0, slice.offset, slice.count).reshaped(slice.shape);
}

int64_t parameter_count(const std::vector<ParameterSpec>& specs) {
  int64_t count = 0;
  for (const ParameterSpec& spec : specs) count += spec.shape.count();
  return count;
}

}  // namespace lacuna::nn
