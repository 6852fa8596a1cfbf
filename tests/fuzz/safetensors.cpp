// Of a sound file every byte after the header belongs to exactly one record.
#include "lacuna/io/safetensors.h"

#include "targets.h"

void lacuna::fuzz::safetensors(std::string_view bytes) {
  answer([&] {
    const SafetensorsFile file("fuzzed", bytes);
    const char* next = nullptr;
    for (const TensorRecord& record : file.records()) {
      const char* begin = static_cast<const char*>(record.data);
      promise(next == nullptr || begin == next);
      promise(begin >= bytes.data() + sizeof(uint64_t));
      next = begin + byte_size(record);
      promise(next >= begin && next <= bytes.data() + bytes.size());
      promise(file.find(record.name).name == record.name);
    }
    promise(next == nullptr || next == bytes.data() + bytes.size());
  });
}
