// Sockets of TCP: they never block, are not inherited by programs that this one starts, and a peer
// that has gone is an answer and no signal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace lacuna::comm {

using Clock = std::chrono::steady_clock;

/// Owns a descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket();

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  void close() { *this = Socket(); }

 private:
  int descriptor_ = -1;
};

/// Of this host alone where `host` is its loopback, of everybody otherwise. Throws Error(kConfig),
/// naming the port, when it is taken.
Socket listen_at(const std::string& host, uint16_t port);

/// The next connection; none when nobody has come.
Socket accept_from(const Socket& listener);

/// One attempt; on failure none, and `fault` says why.
Socket connect_to(const std::string& host, uint16_t port, Clock::time_point until,
                  std::string& fault);

/// The address of this end, in digits.
std::string address_of(const Socket& socket);
bool is_loopback(const std::string& address);

/// Two that are connected with each other. Throws Error(kInternal).
std::pair<Socket, Socket> connected_pair();

/// Waits until there is something to read (or to write, when `wants_write`), not longer than
/// `until`.
void wait_for(const Socket& socket, bool wants_write, Clock::time_point until);

/// Milliseconds for poll(): rounded up, 0 once `until` has passed.
int poll_timeout(Clock::time_point until);

/// Ends the poll() of another thread.
class Wakeup {
 public:
  /// Throws Error(kInternal).
  Wakeup();
  int descriptor() const { return event_.descriptor(); }
  void ring() noexcept;
  void take() noexcept;

 private:
  Socket event_;
};

}  // namespace lacuna::comm
