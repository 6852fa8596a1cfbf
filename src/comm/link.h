// Messages over a socket. A frame is its size (8 bytes, little-endian), its kind (1 byte) and its
// body; a body is made of numbers of 8 bytes and texts with their sizes before them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "socket.h"

namespace lacuna::comm {

enum class Kind : uint8_t {
  kHello,       // to rank 0: magic text, version, rank, size
  kWelcome,     // from rank 0: magic text, version
  kTurnedAway,  // from rank 0: why
  kBegin,       // from rank 0: all ranks have met
  kHeartbeat,   // both ways; to rank 0: where this rank is
  kSaid,        // to rank 0: name of the exchange, text
  kAll,         // from rank 0: the texts of all ranks
  kMismatch,    // from rank 0: the ranks are at different exchanges: what is wrong
  kOverdue,     // to rank 0: its main thread has not gone on: where, seconds of patience
  kStop,        // both ways: all are asked to stop
  kFailed,      // to rank 0: why
  kLost,        // from rank 0: rank, the whole story
  kGoodbye,     // to rank 0: this rank ends in order; from rank 0: so does it
  kEnded,       // from rank 0: a rank that has ended in order
};

struct Message {
  Kind kind;
  std::string body;
};

/// Builds a message.
class Writing {
 public:
  explicit Writing(Kind kind) : message_{kind, {}} {}
  Writing& number(int64_t value);
  Writing& text(std::string_view value);
  Message take() { return std::move(message_); }

 private:
  Message message_;
};

/// Reads the body of one. What is not there reads as 0 and "", and done() is false.
class Reading {
 public:
  explicit Reading(const Message& message) : left_(message.body) {}
  int64_t number();
  std::string text();
  /// Whether all of the body has been read and nothing was missing.
  bool done() const { return whole_ && left_.empty(); }

 private:
  std::string_view left_;
  bool whole_ = true;
};

/// One end of a connection, for one thread.
class Link {
 public:
  /// Frames with more than `largest` bytes are not lacuna's: the link breaks.
  Link() = default;
  Link(Socket socket, size_t largest) : socket_(std::move(socket)), largest_(largest) {}

  bool is_open() const { return socket_.is_open(); }
  const Socket& socket() const { return socket_; }
  void close() { socket_.close(); }
  void allow(size_t largest) { largest_ = largest; }

  void put(const Message& message);
  bool has_unsent() const { return sent_ < outgoing_.size(); }
  /// Sends what goes without waiting. False: the peer has gone.
  bool send_some();
  /// Takes in what has come, without waiting. False: the peer has gone, or sends what is no frame;
  /// what came before can still be taken.
  bool receive_some();
  std::optional<Message> take();
  /// When something last came; a large message comes in pieces.
  Clock::time_point heard() const { return heard_; }
  void forgive(Clock::duration silence) { heard_ += silence; }

 private:
  bool cut_frames();

  Socket socket_;
  size_t largest_ = 0;
  std::string incoming_, outgoing_;
  size_t sent_ = 0;
  Clock::time_point heard_ = Clock::now();
  std::deque<Message> arrived_;
};

}  // namespace lacuna::comm
