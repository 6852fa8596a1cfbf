// The only source that includes Gloo.
#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/broadcast.h>
#include <gloo/config.h>
#include <gloo/context.h>
#include <gloo/transport/address.h>
#include <gloo/transport/device.h>
#include <gloo/transport/tcp/device.h>

#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "io_thread.h"
#include "lacuna/base/error.h"
#include "lacuna/base/text.h"
#include "lacuna/comm/communicator.h"
#include "lacuna/comm/lost_rank.h"
#include "link.h"
#include "socket.h"

namespace lacuna {
namespace {

constexpr std::chrono::seconds kToConnect(6);  // Gloo takes five times as long
// How long a rank may keep the others waiting is for the group to say.
constexpr std::chrono::hours kToWait(24 * 7);

// x = a + b, which may be x.
template <class T>
void add(void* x, const void* a, const void* b, size_t count) {
  T* to = static_cast<T*>(x);
  const T *left = static_cast<const T*>(a), *right = static_cast<const T*>(b);
  for (size_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<T, BFloat16>) {
      to[i] = to_bf16(to_f32(left[i]) + to_f32(right[i]));
    } else {
      to[i] = left[i] + right[i];
    }
  }
}

// The address by which the other ranks reach this one. Who has come to rank 0 by the loopback,
// while others are on other hosts, is on the host of rank 0.
std::string reachable_address(Group& group) {
  const std::vector<std::string> all = group.exchange("addresses of hosts", group.address());
  const World& world = group.world();
  const std::string& own = all[static_cast<size_t>(world.rank)];
  return comm::is_loopback(own) && world.local_size < world.size ? all[0] : own;
}

// Connections of each rank with each; the group tells the addresses.
class Mesh : public gloo::Context {
 public:
  explicit Mesh(Group& group) : Context(group.rank(), group.size()) {
    gloo::transport::tcp::attr at;
    at.hostname = reachable_address(group);
    {
      const comm::SignalsBlocked meanwhile;  // the device has a thread
      device_ = gloo::transport::tcp::CreateDevice(at);
    }
    transportContext_ = device_->createContext(rank, size);
    transportContext_->setTimeout(kToConnect);
    connect(group);
    setTimeout(kToWait);
  }

 private:
  void connect(Group& group) {
    comm::Writing own(comm::Kind::kSaid);  // one address for each peer
    for (int peer = 0; peer < size; ++peer) {
      std::vector<char> bytes;
      if (peer != rank) bytes = transportContext_->createPair(peer)->address().bytes();
      own.text({bytes.data(), bytes.size()});
    }
    const std::vector<std::string> all = group.exchange("addresses of Gloo", own.take().body);
    for (int peer = 0; peer < size; ++peer) {
      if (peer == rank) continue;
      const comm::Message theirs{comm::Kind::kSaid, all[static_cast<size_t>(peer)]};
      comm::Reading reading(theirs);
      for (int before = 0; before < rank; ++before) reading.text();
      const std::string address = reading.text();
      transportContext_->getPair(peer)->connect({address.begin(), address.end()});
    }
    // Who is connected may close its connections at once, but not while others still make them.
    group.exchange("connections of Gloo", "");
  }
};

class Gloo : public Communicator {
 public:
  explicit Gloo(Group& group) : group_(group) {
    if (size() == 1) return;
    checked("the connections of Gloo", [&] { mesh_ = std::make_shared<Mesh>(group); });
  }

  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }

  void all_reduce(Queue& queue, const View& x) override {
    if (!has_work(queue, x)) return;
    switch (x.dtype()) {
      case DType::kF64:
        return sum<double>("all_reduce", x);
      case DType::kF32:
        return sum<float>("all_reduce", x);
      case DType::kBF16:
        return sum<BFloat16>("all_reduce", x);
      default:
        throw Error(ErrorKind::kInternal, "all_reduce",
                    std::string("no sums of ") + name_of(x.dtype()));
    }
  }

  // Gloo's reductions to parts want buffers that are registered once and for all. This one is the
  // same as the other to the last bit.
  void reduce_scatter(Queue& queue, const View& x) override {
    require(x.count() % size() == 0, "reduce_scatter", "parts of different sizes");
    all_reduce(queue, x);
  }

  void all_gather(Queue& queue, const View& x) override {
    require(x.count() % size() == 0, "all_gather", "parts of different sizes");
    if (!has_work(queue, x)) return;
    checked("all_gather", [&] {
      gloo::AllgatherOptions options(mesh_);
      options.setTag(next_tag());
      options.setOutput(static_cast<uint8_t*>(x.raw()), x.bytes());
      gloo::allgather(options);
    });
  }

  void broadcast(Queue& queue, const View& x) override {
    if (!has_work(queue, x)) return;
    checked("broadcast", [&] {
      gloo::BroadcastOptions options(mesh_);
      options.setTag(next_tag());
      options.setRoot(0);
      options.setOutput(static_cast<uint8_t*>(x.raw()), x.bytes());
      gloo::broadcast(options);
    });
  }

  // Frees those who wait for this rank. Whoever waits in this process does so until it ends: Gloo
  // has nothing to free them by.
  void abort() noexcept override {
    try {
      if (mesh_) mesh_->closeConnections();
    } catch (...) {  // they are closed already
    }
  }

  std::string description() const override {
    return str("Gloo ", GLOO_VERSION_MAJOR, '.', GLOO_VERSION_MINOR, '.', GLOO_VERSION_PATCH);
  }
  size_t bytes() const override { return 0; }

 private:
  bool has_work(const Queue& queue, const View& x) const {
    require(!queue.on_gpu(), "Gloo", "memory of a GPU");
    require(x.contiguous(), "Gloo", "a view that is not contiguous");
    return mesh_ != nullptr && !queue.is_dry() && x.count() > 0;
  }

  template <class T>
  void sum(const char* place, const View& x) {
    checked(place, [&] {
      gloo::AllreduceOptions options(mesh_);
      options.setTag(next_tag());
      options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
      options.setOutput(x.data<T>(), static_cast<size_t>(x.count()));
      options.setReduceFunction(add<T>);
      gloo::allreduce(options);
    });
  }

  // What Gloo throws tells of sockets; the group knows of ranks.
  template <class Work>
  void checked(const std::string& place, const Work& work) {
    try {
      work();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& fault) {
      const std::string who = group_.who_is_lost();
      if (!who.empty()) throw LostRank(place, who);
      throw Error(ErrorKind::kInternal, place, std::string("Gloo reports: ") + fault.what());
    }
  }

  uint32_t next_tag() { return tag_++; }

  Group& group_;
  std::shared_ptr<gloo::Context> mesh_;  // none when alone
  uint32_t tag_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_gloo(Group& group) {
  return std::make_unique<Gloo>(group);
}

}  // namespace lacuna
