// Entries of the catalogue on the GPU, against the CPU in f64 on the same inputs.
#pragma once

#include <memory>
#include <random>

#include "../catch.h"
#include "../compare.h"
#include "lacuna/base/resources.h"
#include "lacuna/proof/side.h"
#include "lacuna/tensor/gpus.h"

namespace parity {

using namespace lacuna;
using proof::converted;
using proof::Side;

/// One queue for all tests of a process, and another for attention's kernels for every GPU.
inline Queue& gpu_queue(cuda::AttentionKernels attention = cuda::AttentionKernels::kAutomatic) {
  static Queue automatic = cuda::make_queue({});
  static Queue general = cuda::make_queue({.attention = cuda::AttentionKernels::kGeneral});
  return attention == cuda::AttentionKernels::kGeneral ? general : automatic;
}

inline Queue& cpu_queue() {
  static Queue queue = Queue::cpu(available_threads());
  return queue;
}

/// The elements of a host tensor in f64.
inline Tensor widened(const View& from) {
  return converted(from, DType::kF64);
}

/// The bytes of a host tensor.
inline std::vector<uint8_t> bytes_of(const View& host) {
  const auto* bytes = static_cast<const uint8_t*>(host.raw());
  return {bytes, bytes + host.bytes()};
}

/// The types of activations on the GPU.
inline constexpr DType kActivationTypes[] = {DType::kF32, DType::kBF16, DType::kF16};

struct How {
  uint64_t seed = std::random_device{}();
  std::string shifted = "";  // the operand that lies where packs may not be read or written
  int launches = 1;
  const Queue* queue = nullptr;  // null: gpu_queue()
};

/// An entry that has run on the GPU.
inline std::unique_ptr<Side> ran(const proof::Entry& entry, DType dtype, const How& how = {}) {
  const Queue& queue = how.queue != nullptr ? *how.queue : gpu_queue();
  auto side = std::make_unique<Side>(queue, dtype, how.seed, how.shifted);
  const proof::Launch launch = entry.make(*side);
  if (how.shifted != "" && how.shifted != "*") side->operand(how.shifted);  // throws: no such one
  for (int i = 0; i < how.launches; ++i) launch();
  return side;
}

/// Every result is as near to the CPU's in f64 as its tolerance says, nothing was written beside
/// the operands, and a second run gives the same bits. Returns what has run.
inline std::unique_ptr<Side> prove(const proof::Entry& entry, DType dtype, const How& how = {}) {
  CAPTURE(entry.name, name_of(dtype), how.seed, how.shifted);
  std::unique_ptr<Side> got = ran(entry, dtype, how);
  Side want(cpu_queue(), *got);
  const proof::Launch launch = entry.make(want);
  for (int i = 0; i < how.launches; ++i) launch();
  for (const proof::Finding& found : proof::findings(*got, want)) {
    CAPTURE(found.result);
    CHECK(found.error <= found.limit);
  }
  CHECK(same_bits(got->bits(), ran(entry, dtype, how)->bits()));
  return got;
}

}  // namespace parity
