#include "lacuna/nn/parameters.h"

#include <algorithm>

#include "lacuna/base/resources.h"
#include "lacuna/base/rng.h"
#include "lacuna/kernels/elementwise.h"

namespace lacuna::nn {
namespace {

template <class T>
void draw(const ParameterSpec& spec, PhiloxKey key, uint64_t index, int threads, T* values) {
  const int64_t count = spec.shape.count();
  if (spec.std <= 0) {
    std::fill(values, values + count, T(spec.constant));
    return;
  }
#pragma omp parallel for num_threads(threads)  // a draw is a pure function of its place
  for (int64_t at = 0; at < count; at += 2) {
    const auto pair = normal_pair(random_words(key, index, 0, static_cast<uint32_t>(at / 2)));
    values[at] = T(spec.std * pair[0]);
    if (at + 1 < count) values[at + 1] = T(spec.std * pair[1]);
  }
}

}  // namespace

ParameterStore::ParameterStore(const Queue& queue, const std::vector<ParameterSpec>& specs,
                               DType dtype, bool with_gradients, int64_t parts)
    : queue_(queue) {
  for (const ParameterSpec& spec : specs) {
    const bool fresh = index_.emplace(spec.name, slices_.size()).second;
    require(fresh, "ParameterStore", "two parameters of one name");
    slices_.push_back({spec.name, spec.shape, 0, spec.shape.count(), spec.precise});
  }
  for (auto slice = slices_.rbegin(); slice != slices_.rend(); ++slice) {
    slice->offset = used_count_;
    used_count_ += (slice->count + kAlignElements - 1) / kAlignElements * kAlignElements;
  }
  const int64_t group = parts * kAlignElements;
  flat_count_ = (used_count_ + group - 1) / group * group;
  const bool low = dtype == DType::kBF16 || dtype == DType::kF16;
  values_ = queue.zeros({flat_count_}, low ? DType::kF32 : dtype);
  if (low) rounded_ = queue.zeros({flat_count_}, dtype);
  if (with_gradients) gradients_ = queue.zeros({flat_count_}, values_.dtype());
}

void ParameterStore::initialise(const std::vector<ParameterSpec>& specs, uint64_t seed) {
  const PhiloxKey key = random_key(seed, RandomUse::kInit, 0);
  const Tensor drawn = Tensor::zeros(values_.shape(), values_.dtype());
  const int threads = queue_.on_gpu() ? available_threads() : queue_.threads();
  for (size_t k = 0; k < specs.size(); ++k) {
    const View slice = slice_of(drawn, slices_[index_.at(specs[k].name)]);
    if (drawn.dtype() == DType::kF64) {
      draw(specs[k], key, k, threads, slice.data<double>());
    } else {
      draw(specs[k], key, k, threads, slice.data<float>());
    }
  }
  queue_.upload(values_, drawn.view().raw());
  round();
}

void ParameterStore::round() {
  if (rounded_.present()) launch(queue_, Convert{.x = values_, .y = rounded_});
}

Parameter ParameterStore::at(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) {
    throw Error(ErrorKind::kInternal, "ParameterStore::at", "no parameter called " + name);
  }
  const ParameterSlice& slice = slices_[found->second];
  const Tensor& read = rounded_.present() && !slice.precise ? rounded_ : values_;
  return {slice_of(read, slice), gradients_.present() ? slice_of(gradients_, slice) : View()};
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
