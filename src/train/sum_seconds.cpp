#include "lacuna/train/sum_seconds.h"

#include <algorithm>
#include <cmath>

#include "lacuna/base/text.h"

namespace lacuna::train {
namespace {

// Gradients, loss and votes to stop (trainer.cpp). Where the optimizer is in parts, the weights are
// gathered, and the norm of the gradients is added, too.
int calls_of(const Options& options) {
  return options.dist.shard == "optimizer" ? 5 : 3;
}

// By rings: each of n sends and receives (n - 1) / n of the bytes, twice.
double ring_seconds(double bytes, int64_t n, double per_second) {
  return 2 * static_cast<double>(n - 1) / static_cast<double>(n) * bytes / per_second;
}

}  // namespace

double sum_seconds(const Options& options, int64_t gradients, int64_t gpus) {
  if (gpus == 1) return 0;
  const bool in_bf16 = options.dist.reduce == "bf16", in_parts = options.dist.shard == "optimizer";
  const double whole = 4 * static_cast<double>(gradients);
  // Weights are gathered as they are, with half of the ring's work.
  const double sent = !in_bf16 ? whole : (in_parts ? 0.75 : 0.5) * whole;
  const int64_t hosts = kLinks.hosts(gpus);
  const double call = kLinks.call + kLinks.call_a_doubling * std::log2(static_cast<double>(hosts));
  const double rounding = in_bf16 ? 2 * 1.5 * whole / kLinks.rounding : 0;  // there and back
  return calls_of(options) * call + rounding +
         ring_seconds(sent, std::min(gpus, kLinks.gpus_a_host), kLinks.within_host) +
         ring_seconds(sent, hosts, kLinks.between_hosts);
}

std::string sources_text(int64_t gpus) {
  const auto gigabytes = [](double per_second) {
    return str(fixed(1e-9 * per_second, 0), " GB/s");
  };
  const auto milliseconds = [](double seconds) { return str(fixed(1e3 * seconds, 2), " ms"); };
  std::string text = str("measured for the sums: ", gigabytes(kLinks.within_host), " and ",
                         milliseconds(kLinks.call), " a call, on two H200 of one host");
  if (gpus > 2) text += str("; assumed: up to ", kLinks.gpus_a_host, " GPUs of a host add as fast");
  if (kLinks.hosts(gpus) > 1) {
    text += str(", hosts of ", kLinks.gpus_a_host, " at ", gigabytes(kLinks.between_hosts), " and ",
                milliseconds(kLinks.call_a_doubling), " more for each doubling of them");
  }
  return text;
}

}  // namespace lacuna::train
