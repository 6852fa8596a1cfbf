#include "socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna::comm {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// Those of a host, or those to listen at for everybody (no host). None: `fault` says why.
Addresses addresses_of(const char* host, uint16_t port, std::string& fault) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV | (host == nullptr ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int status = getaddrinfo(host, std::to_string(port).c_str(), &wanted, &found);
  if (status != 0) {
    fault = status == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(status);
    found = nullptr;
  }
  return {found, &freeaddrinfo};
}

bool is_loopback_name(const std::string& host) {
  return host == "127.0.0.1" || host == "localhost" || host == "::1";
}

void set_option(const Socket& socket, int level, int name, int value) {
  setsockopt(socket.descriptor(), level, name, &value, sizeof value);
}

Socket socket_for(const addrinfo& address) {
  return Socket(::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                         address.ai_protocol));
}

// Returns 0 or what is wrong.
int listen_on(const addrinfo& address, Socket& listener) {
  listener = socket_for(address);
  if (!listener.is_open()) return errno;
  set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.ai_family == AF_INET6) set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(listener.descriptor(), address.ai_addr, address.ai_addrlen) != 0) return errno;
  return ::listen(listener.descriptor(), SOMAXCONN) == 0 ? 0 : errno;
}

// Returns 0 or what is wrong.
int finish_connect(const Socket& socket, Clock::time_point until) {
  wait_for(socket, true, until);
  pollfd state{.fd = socket.descriptor(), .events = POLLOUT, .revents = 0};
  if (poll(&state, 1, 0) != 1) return ETIMEDOUT;
  int fault = 0;
  socklen_t size = sizeof fault;
  getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &fault, &size);
  return fault;
}

// A connection from a port to itself, which happens when nobody listens there yet and the system
// chooses that very port for the way out.
bool is_own_end(const Socket& socket) {
  sockaddr_storage here{}, there{};
  socklen_t here_size = sizeof here, there_size = sizeof there;
  return getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&here), &here_size) == 0 &&
         getpeername(socket.descriptor(), reinterpret_cast<sockaddr*>(&there), &there_size) == 0 &&
         here_size == there_size && std::memcmp(&here, &there, here_size) == 0;
}

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Socket listen_at(const std::string& host, uint16_t port) {
  std::string fault;
  const Addresses found =
      addresses_of(is_loopback_name(host) ? host.c_str() : nullptr, port, fault);
  std::vector<const addrinfo*> addresses;
  for (const addrinfo* next = found.get(); next != nullptr; next = next->ai_next) {
    addresses.push_back(next);
  }
  // IPv6 serves IPv4, too.
  std::stable_sort(addresses.begin(), addresses.end(), [](const addrinfo* a, const addrinfo* b) {
    return a->ai_family == AF_INET6 && b->ai_family != AF_INET6;
  });
  for (const addrinfo* address : addresses) {
    Socket listener;
    const int status = listen_on(*address, listener);
    if (status == 0) return listener;
    fault = std::strerror(status);
    if (status == EADDRINUSE) break;
  }
  throw Error(ErrorKind::kConfig, str("port ", port),
              "rank 0 cannot listen there for the other ranks: " + fault,
              "Another program, or another run, may have it: choose a free port with MASTER_PORT");
}

Socket accept_from(const Socket& listener) {
  Socket socket(accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.is_open()) set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  return socket;
}

Socket connect_to(const std::string& host, uint16_t port, Clock::time_point until,
                  std::string& fault) {
  fault = "it has no address";
  const Addresses found = addresses_of(host.c_str(), port, fault);
  for (const addrinfo* next = found.get(); next != nullptr; next = next->ai_next) {
    Socket socket = socket_for(*next);
    if (!socket.is_open()) continue;
    int status = connect(socket.descriptor(), next->ai_addr, next->ai_addrlen) == 0 ? 0 : errno;
    if (status == EINPROGRESS) status = finish_connect(socket, until);
    if (status == 0 && is_own_end(socket)) status = ECONNREFUSED;
    if (status == 0) {
      set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
      return socket;
    }
    fault = std::strerror(status);
  }
  return {};
}

std::string address_of(const Socket& socket) {
  sockaddr_storage here{};
  socklen_t size = sizeof here;
  char text[NI_MAXHOST];
  auto* address = reinterpret_cast<sockaddr*>(&here);
  if (getsockname(socket.descriptor(), address, &size) != 0 ||
      getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) {
    return "";
  }
  const std::string digits = text;
  const std::string mapped = "::ffff:";  // IPv4 through a listener of IPv6
  return digits.starts_with(mapped) ? digits.substr(mapped.size()) : digits;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

std::pair<Socket, Socket> connected_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    throw Error(ErrorKind::kInternal, "socketpair", std::strerror(errno));
  }
  return {Socket(ends[0]), Socket(ends[1])};
}

int poll_timeout(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

void wait_for(const Socket& socket, bool wants_write, Clock::time_point until) {
  pollfd state{.fd = socket.descriptor(),
               .events = static_cast<short>(POLLIN | (wants_write ? POLLOUT : 0)),
               .revents = 0};
  poll(&state, 1, poll_timeout(until));
}

Wakeup::Wakeup() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!event_.is_open()) throw Error(ErrorKind::kInternal, "eventfd", std::strerror(errno));
}

void Wakeup::ring() noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event_.descriptor(), &one, sizeof one);
}

void Wakeup::take() noexcept {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(event_.descriptor(), &count, sizeof count);
}

}  // namespace lacuna::comm
