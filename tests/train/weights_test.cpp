#include "lacuna/train/weights.h"

#include <cstring>

#include "../catch.h"
#include "../expect_error.h"
#include "../temp_folder.h"
#include "lacuna/io/safetensors.h"

using namespace lacuna;
using namespace lacuna::train;
using nn::ParameterStore;

namespace {

const std::vector<nn::ParameterSpec> kSpecs{
    {"a.weight", {3, 5}, 1}, {"a.bias", {3}, 1}, {"b.weight", {2, 17}, 1}};

ParameterStore store_of(DType dtype, uint64_t seed = 0) {
  ParameterStore store(kSpecs, dtype, false);
  if (seed != 0) store.initialise(kSpecs, seed);
  return store;
}

// The elements of all parameters, without the padding between them.
template <class T>
std::vector<T> elements(const ParameterStore& store) {
  std::vector<T> all;
  for (const nn::ParameterSpec& spec : kSpecs) {
    const View value = store.at(spec.name).value;
    all.insert(all.end(), value.data<T>(), value.data<T>() + value.count());
  }
  return all;
}

// A file of kSpecs in which every tensor repeats these 16-bit patterns.
void write_halves(const std::string& path, const char* dtype,
                  const std::vector<uint16_t>& patterns) {
  std::vector<std::vector<uint16_t>> data;
  std::vector<TensorRecord> records;
  for (const nn::ParameterSpec& spec : kSpecs) {
    data.emplace_back();
    for (int64_t i = 0; i < spec.shape.count(); ++i) {
      data.back().push_back(patterns[static_cast<size_t>(i) % patterns.size()]);
    }
    records.push_back({spec.name, dtype, spec.shape.sizes(), data.back().data()});
  }
  write_safetensors(path, records, {});
}

// Records of kSpecs, all zero, to be damaged by a test.
std::vector<TensorRecord> zero_records() {
  static const std::vector<double> zeros(64);
  std::vector<TensorRecord> records;
  for (const nn::ParameterSpec& spec : kSpecs) {
    records.push_back({spec.name, "F32", spec.shape.sizes(), zeros.data()});
  }
  return records;
}

}  // namespace

TEST_CASE("weights come back from a file bit by bit, with the facts that were saved") {
  const TempFolder folder;
  Queue queue = Queue::cpu(1);
  ParameterStore doubles = store_of(DType::kF64, 3), floats = store_of(DType::kF32, 4);
  save_weights(folder / "d.safetensors", doubles, {{"step", "7"}});
  save_weights(folder / "f.safetensors", floats, {});
  ParameterStore doubles_again = store_of(DType::kF64), floats_again = store_of(DType::kF32);
  load_weights(folder / "d.safetensors", doubles_again);
  load_weights(folder / "f.safetensors", floats_again);
  CHECK(elements<double>(doubles_again) == elements<double>(doubles));
  CHECK(elements<float>(floats_again) == elements<float>(floats));
  CHECK(elements<double>(doubles)[0] != 0);
  CHECK(SafetensorsFile(folder / "d.safetensors").metadata().at("step") == "7");
  CHECK(SafetensorsFile(folder / "d.safetensors").find("a.weight").dtype == "F64");
  CHECK(folder.names() == std::vector<std::string>{"d.safetensors", "f.safetensors"});
}

TEST_CASE("weights of another precision are converted") {
  const TempFolder folder;
  Queue queue = Queue::cpu(1);
  ParameterStore doubles = store_of(DType::kF64, 3), floats = store_of(DType::kF32);
  save_weights(folder / "d", doubles, {});
  load_weights(folder / "d", floats);
  std::vector<float> rounded;
  for (const double value : elements<double>(doubles)) rounded.push_back(static_cast<float>(value));
  CHECK(elements<float>(floats) == rounded);

  ParameterStore back = store_of(DType::kF64);
  save_weights(folder / "f", floats, {});
  load_weights(folder / "f", back);
  CHECK(elements<double>(back) == std::vector<double>(rounded.begin(), rounded.end()));
}

TEST_CASE("files with half-precision weights are converted") {
  const TempFolder folder;
  Queue queue = Queue::cpu(1);
  const std::vector<double> expected{1.5, -2, 0.15625, 0};
  write_halves(folder / "bf16", "BF16", {0x3FC0, 0xC000, 0x3E20, 0x0000});
  write_halves(folder / "f16", "F16", {0x3E00, 0xC000, 0x3100, 0x0000});
  for (const char* name : {"bf16", "f16"}) {
    ParameterStore floats = store_of(DType::kF32, 1), doubles = store_of(DType::kF64, 1);
    load_weights(folder / name, floats);
    load_weights(folder / name, doubles);
    for (const nn::ParameterSpec& spec : kSpecs) {
      INFO(name << ' ' << spec.name);
      for (int64_t i = 0; i < spec.shape.count(); ++i) {
        const double value = expected[static_cast<size_t>(i) % 4];
        REQUIRE(static_cast<double>(floats.at(spec.name).value.data<float>()[i]) == value);
        REQUIRE(doubles.at(spec.name).value.data<double>()[i] == value);
      }
    }
  }
}

TEST_CASE("a file that does not fit the model is refused as data, with its name") {
  const TempFolder folder;
  Queue queue = Queue::cpu(1);
  ParameterStore store = store_of(DType::kF32);
  const auto refuse = [&](const std::string& fragment, const auto& damage) {
    std::vector<TensorRecord> records = zero_records();
    damage(records);
    const std::string path = folder / "bad.safetensors";
    write_safetensors(path, records, {});
    expect_error(ErrorKind::kData, path, [&] { load_weights(path, store); });
    expect_error(ErrorKind::kData, fragment, [&] { load_weights(path, store); });
  };
  using Records = std::vector<TensorRecord>;
  refuse("'a.weight' has the shape [5, 3], the model needs [3, 5]", [](Records& r) {
    r[0].shape = {5, 3};
  });
  refuse("'a.weight' has the shape [15], the model needs [3, 5]",
         [](Records& r) { r[0].shape = {15}; });
  refuse("'a.weight'", [](Records& r) { r[0].shape = {}; });
  refuse("'a.weight'", [](Records& r) { r[0].shape = {1, 1, 1, 3, 5}; });
  refuse("'b.weight'", [](Records& r) { r.pop_back(); });
  refuse("'a.bias'", [](Records& r) { r[1].name = "a.bais"; });
  refuse("4 tensors", [](Records& r) { r.push_back({"c", "F32", {1}, r[0].data}); });
  refuse("I32", [](Records& r) { r[0].dtype = "I32"; });
}

TEST_CASE("a missing or damaged file is refused as data") {
  const TempFolder folder;
  Queue queue = Queue::cpu(1);
  ParameterStore store = store_of(DType::kF32, 1);
  const auto refuse = [&](const std::string& path) {
    expect_error(ErrorKind::kData, path, [&] { load_weights(path, store); });
  };
  refuse(folder / "nothing");
  refuse(folder.path());
  refuse(folder.put("empty", ""));
  refuse(folder.put("text", "this is no weights file at all"));
  save_weights(folder / "good", store, {});
  std::ifstream good(folder / "good", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(good), std::istreambuf_iterator<char>()};
  for (const size_t size : {bytes.size() - 1, bytes.size() / 2, size_t{12}, size_t{7}}) {
    refuse(folder.put("cut", bytes.substr(0, size)));
  }
  refuse(folder.put("longer", bytes + 'x'));
}

TEST_CASE("weights that cannot be written are refused by the system, and nothing is left") {
  const TempFolder folder;
  const std::string file = folder.put("file", "x");
  expect_error(ErrorKind::kIo, file,
               [&] { save_weights(file + "/weights.safetensors", store_of(DType::kF32, 1), {}); });
  CHECK(folder.names() == std::vector<std::string>{"file"});
}
