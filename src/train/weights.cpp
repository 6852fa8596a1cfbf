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

// To host memory.
void load_slice(const std::string& path, const TensorRecord& record, const View& values) {
  if (record.shape != values.shape().sizes()) {
    throw Error(ErrorKind::kData, path,
                str("'", record.name, "' has the shape ", list_of(record.shape),
                    ", the model needs ", list_of(values.shape().sizes())),
                "The weights are of another model than the configuration");
  }
  const DType stored = type_called(path, record);
  const Tensor copy = Tensor::zeros(values.shape(), stored);  // aligned, which the file is not
  std::memcpy(copy.view().raw(), record.data, copy.view().bytes());
  Queue queue = Queue::cpu(1);
  launch(queue, Convert{.x = copy, .y = values});
}

}  // namespace

void save_buffers(const std::string& path, const std::vector<nn::ParameterSlice>& slices,
                  const std::vector<FlatBuffer>& buffers,
                  const std::map<std::string, std::string>& metadata,
                  const BetweenPieces& between_pieces) {
  std::vector<TensorRecord> records;
  for (const FlatBuffer& buffer : buffers) {
    for (const nn::ParameterSlice& slice : slices) {
      records.push_back({buffer.prefix + slice.name, type_name(buffer.values.dtype()),
                         slice.shape.sizes(),
                         nn::ParameterStore::slice_of(buffer.values, slice).raw()});
    }
  }
  write_safetensors(path, records, metadata, between_pieces);
}

void load_buffers(const Queue& queue, const std::string& path,
                  const std::vector<nn::ParameterSlice>& slices,
                  const std::vector<FlatBuffer>& buffers) {
  const SafetensorsFile file(path);
  const size_t expected = slices.size() * buffers.size();
  if (file.records().size() > expected) {
    throw Error(ErrorKind::kData, path,
                str("the file has ", file.records().size(), " tensors, the model ", expected),
                "The weights are of another model than the configuration");
  }
  for (const FlatBuffer& buffer : buffers) {
    const Tensor host = Tensor::zeros(buffer.values.shape(), buffer.values.dtype());
    for (const nn::ParameterSlice& slice : slices) {
      load_slice(path, file.find(buffer.prefix + slice.name),
                 nn::ParameterStore::slice_of(host, slice));
    }
    queue.upload(buffer.values, host.view().raw());
  }
}

void save_weights(const std::string& path, const nn::ParameterStore& parameters,
                  const std::map<std::string, std::string>& metadata) {
  Tensor copy;
  if (parameters.queue().on_gpu()) copy = parameters.queue().to_host(parameters.values());
  const View& host = copy.present() ? copy.view() : parameters.values();
  save_buffers(path, parameters.slices(), {{"", host}}, metadata);
}

void load_weights(const std::string& path, nn::ParameterStore& parameters) {
  load_buffers(parameters.queue(), path, parameters.slices(), {{"", parameters.values()}});
  parameters.round();
}

}  // namespace lacuna::train
