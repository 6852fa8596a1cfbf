#include "link.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace lacuna::comm {
namespace {

constexpr size_t kFrameHead = sizeof(uint64_t) + 1;
constexpr int kMostReads = 64;  // then others have their turn

void append_number(std::string& to, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) to += static_cast<char>(value >> shift & 0xff);
}

uint64_t number_at(const char* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

Writing& Writing::number(int64_t value) {
  append_number(message_.body, static_cast<uint64_t>(value));
  return *this;
}

Writing& Writing::text(std::string_view value) {
  append_number(message_.body, value.size());
  message_.body += value;
  return *this;
}

int64_t Reading::number() {
  if (left_.size() < sizeof(uint64_t)) {
    whole_ = false;
    return 0;
  }
  const uint64_t value = number_at(left_.data());
  left_.remove_prefix(sizeof(uint64_t));
  return static_cast<int64_t>(value);
}

std::string Reading::text() {
  const auto size = static_cast<uint64_t>(number());
  if (size > left_.size()) {
    whole_ = false;
    return "";
  }
  std::string value(left_.substr(0, size));
  left_.remove_prefix(size);
  return value;
}

void Link::put(const Message& message) {
  if (sent_ == outgoing_.size()) {
    outgoing_.clear();
    sent_ = 0;
  }
  append_number(outgoing_, message.body.size());
  outgoing_ += static_cast<char>(message.kind);
  outgoing_ += message.body;
}

bool Link::send_some() {
  while (has_unsent()) {
    const ssize_t bytes = send(socket_.descriptor(), outgoing_.data() + sent_,
                               outgoing_.size() - sent_, MSG_NOSIGNAL);
    if (bytes < 0) return would_block();
    sent_ += static_cast<size_t>(bytes);
  }
  return true;
}

bool Link::receive_some() {
  char bytes[16384];
  for (int turn = 0; turn < kMostReads; ++turn) {
    const ssize_t got = recv(socket_.descriptor(), bytes, sizeof bytes, 0);
    if (got == 0) return false;
    if (got < 0) return would_block();
    heard_ = Clock::now();
    incoming_.append(bytes, static_cast<size_t>(got));
    if (!cut_frames()) return false;
  }
  return true;
}

// False: it is no frame that comes.
bool Link::cut_frames() {
  size_t begin = 0;
  while (incoming_.size() - begin >= kFrameHead) {
    const char* head = incoming_.data() + begin;
    const uint64_t size = number_at(head);
    const auto kind = static_cast<uint8_t>(head[sizeof(uint64_t)]);
    if (size > largest_ || kind > static_cast<uint8_t>(Kind::kEnded)) return false;
    if (incoming_.size() - begin - kFrameHead < size) break;
    arrived_.push_back({static_cast<Kind>(kind), incoming_.substr(begin + kFrameHead, size)});
    begin += kFrameHead + size;
  }
  incoming_.erase(0, begin);
  return true;
}

std::optional<Message> Link::take() {
  if (arrived_.empty()) return {};
  Message message = std::move(arrived_.front());
  arrived_.pop_front();
  return message;
}

}  // namespace lacuna::comm
