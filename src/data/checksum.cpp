#include "lacuna/data/checksum.h"

#include <xxhash.h>

#include <cinttypes>
#include <cstdio>

#include "lacuna/base/error.h"

namespace lacuna {

struct Checksum::State {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> xxh3{XXH3_createState()};
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
  require(state_->xxh3 != nullptr && XXH3_64bits_reset(state_->xxh3.get()) == XXH_OK, "Checksum",
          "xxhash gives no state");
}

Checksum::Checksum(const Checksum& other) : Checksum() {
  *this = other;
}

Checksum& Checksum::operator=(const Checksum& other) {
  XXH3_copyState(state_->xxh3.get(), other.state_->xxh3.get());
  return *this;
}

Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&& other) noexcept = default;
Checksum& Checksum::operator=(Checksum&& other) noexcept = default;

void Checksum::add(const void* bytes, size_t size) {
  require(XXH3_64bits_update(state_->xxh3.get(), bytes, size) == XXH_OK || size == 0, "Checksum",
          "xxhash refuses the bytes");
}

uint64_t Checksum::value() const {
  return XXH3_64bits_digest(state_->xxh3.get());
}

std::string Checksum::text() const {
  char buffer[17];
  std::snprintf(buffer, sizeof buffer, "%016" PRIx64, value());
  return buffer;
}

}  // namespace lacuna
