// A fast 64-bit checksum (XXH3, seed 0) of bytes that arrive in pieces; not cryptographic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace lacuna {

class Checksum {
 public:
  Checksum();
  ~Checksum();
  /// A copy goes on from the same bytes.
  Checksum(const Checksum& other);
  Checksum& operator=(const Checksum& other);
  Checksum(Checksum&& other) noexcept;
  Checksum& operator=(Checksum&& other) noexcept;

  void add(const void* bytes, size_t size);
  /// Returns the checksum of everything added so far.
  uint64_t value() const;
  /// value() as 16 hex digits.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lacuna
