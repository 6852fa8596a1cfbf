#include "lacuna/train/weights.h"

#include <cstring>

#include "lacuna/base/text.h"
#include "lacuna/io/safetensors.h"
#include "lacuna/kernels/elementwise.h"

namespace lacuna::train {
namespace {

constexpr std::pair<const char*, DType> kTypes[] = {
    {"F64", DType::kF64}, {"F32", DType::kF32}, {"BF16", DType::kBF16}, {"F16", DType::kF16}};

std::string type_name(DType dtype) {
  for (const auto& [name, type] : kTypes) {
    if (type == dtype) return name;
  }
  throw Error(ErrorKind::kInternal, "save_weights", "weights that are no floats");
}

std::string list_of(const std::vector<int64_t>& sizes) {  // a file may have any rank
  std::vector<std::string> parts;
  for (const int64_t size : sizes) parts.push_back(std::to_string(size));
  return "[" + join(parts, ", ") + "]";
}

DType type_called(const std::string& path, const TensorRecord& record) {
  for (const auto& [name, type] : kTypes) {
    if (record.dtype == name) return type;
  }
  throw Error(ErrorKind::kData, path,
              "'" + record.name + "' has the type " + record.dtype + ", weights must be floats");
}

}  // namespace

void save_weights(const std::string& path, const nn::ParameterStore& parameters,
                  const std::map<std::string, std::string>& metadata) {
  std::vector<TensorRecord> records;
  for (const nn::ParameterSlice& slice : parameters.slices()) {
    records.push_back({slice.name, type_name(parameters.dtype()), slice.shape.sizes(),
                       nn::ParameterStore::slice_of(parameters.values(), slice).raw()});
  }
  write_safetensors(path, records, metadata);
}

void load_weights(Queue& queue, const std::string& path, const nn::ParameterStore& parameters) {
  const SafetensorsFile file(path);
  if (file.records().size() > parameters.slices().size()) {
    throw Error(ErrorKind::kData, path,
                str("the file has ", file.records().size(), " tensors, the model ",
                    parameters.slices().size()),
                "The weights are of another model than the configuration");
  }
  for (const nn::ParameterSlice& slice : parameters.slices()) {
    const TensorRecord& record = file.find(slice.name);
    if (record.shape != slice.shape.sizes()) {
      throw Error(ErrorKind::kData, path,
                  str("'", slice.name, "' has the shape ", list_of(record.shape),
                      ", the model needs ", list_of(slice.shape.sizes())),
                  "The weights are of another model than the configuration");
    }
    const DType stored = type_called(path, record);
    const Tensor copy = Tensor::zeros(slice.shape, stored);  // aligned, which the file is not
    std::memcpy(copy.view().raw(), record.data, copy.view().bytes());
    launch(queue,
           Convert{.x = copy, .y = nn::ParameterStore::slice_of(parameters.values(), slice)});
  }
}

}  // namespace lacuna::train
