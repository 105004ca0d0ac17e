// One connection's bytes: whole frames in, pieces out, whatever the protocol.
//
// Frames are handed to the protocol one by one, as soon as it may start them; what it has to send is asked for whenever
// the stream can take more, so that all that came up during one write goes out with the next.
// Invariants: at most one frame waits to be started, and nothing is read meanwhile, so the client feels it through TCP;
// while a read is under way every whole frame that arrived has been started. A connection ends once, with `closed`
// called once. Thread safety: the shard's thread. Owner: a ConnectionServer, by shared pointer; requests hold it
// weakly.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/listener/connection_memory.h"
#include "broker/net/stream.h"
#include "protocol/base/clock.h"
#include "protocol/base/frame_reader.h"
#include "protocol/base/line_budget.h"
#include "protocol/base/log.h"

namespace sluice::broker {

struct ConnectionLimits {
  Nanos idle_timeout = std::chrono::minutes(10);   ///< without a request under way; also for output that is not taken
  Nanos frame_timeout = std::chrono::seconds(60);  ///< for a whole frame, and a second more for each 64 KiB of it
  Nanos stalled_under_pressure = std::chrono::seconds(2);  ///< for one of these to go on while others wait for memory
};

/// What the connections of one protocol count.
struct ConnectionStats {
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_refused = 0;  ///< there were too many
  std::uint64_t connections_failed = 0;   ///< closed by the broker, since the client did what it may not or got stuck
  /// Of lines about those that failed. A client that gets it wrong comes back at once, and again.
  LineBudget failure_lines{200, std::chrono::milliseconds(100)};
  std::uint64_t received_bytes = 0, sent_bytes = 0;
};

class Connection : public ConnectionMemory::Party, public std::enable_shared_from_this<Connection> {
 public:
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Begins to read. Once, when a shared pointer holds the connection.
  void start() { advance(); }
  /// Starts no more frames; closes when what is under way has ended and all output is written.
  void drain();
  void close();
  /// Closes the connection if it fell idle, if a frame takes too long to come or output to be taken.
  void check_deadlines();
  /// Copies what the client has not taken out of buffers that others wait for.
  void own_output();
  void memory_freed() final;

  std::size_t output_bytes() const { return output_bytes_; }
  std::size_t receive_capacity() const { return frames_.capacity(); }
  bool reading() const { return reading_; }
  const std::string& peer() const { return stream_->peer(); }

 protected:
  struct Seams {
    std::unique_ptr<Stream> stream;
    Clock& clock;
    std::shared_ptr<ConnectionMemory> memory;  ///< of all connections
    UniqueFunction<void(Connection&)> closed;  ///< never called inside a constructor or start()
  };
  /// `what` stands in log lines, for example "native". Limits and stats outlive the connection.
  Connection(std::string_view what, Seams seams, FrameReader frames, const ConnectionLimits& limits,
             ConnectionStats& stats);

  // The protocol's part.
  /// Whether the frame may be started now. If not, it is asked for again after output_changed(), or when memory that
  /// was waited for is there.
  virtual bool may_start(const SharedBytes& frame) = 0;
  virtual void start_frame(SharedBytes frame) = 0;
  /// Copies what waits to be sent out of buffers that it shares.
  virtual void own_waiting_output() = 0;
  /// All that can be sent now, in order; produced() was told of their bytes by then.
  virtual std::vector<SharedBytes> take_output() = 0;
  virtual bool has_work_under_way() const = 0;
  /// It was closed: lets go of all that it holds elsewhere.
  virtual void ended() = 0;
  virtual void draining() {}

  /// Frames of up to so many bytes are taken, from the next one on.
  void allow_frames_of(std::size_t max_bytes) { frames_.set_max_frame_bytes(max_bytes); }
  /// So many bytes more wait to be sent.
  void produced(std::size_t bytes) { output_bytes_ += bytes; }
  /// There is something to send, or work under way has ended.
  void output_changed();
  /// What was produced is still sent, then the connection is closed; nothing more is started. What the client still
  /// sends is taken and dropped until it closes its side or a moment is over: closing over bytes that were not read
  /// would make the kernel drop what was sent last, which says why.
  void close_when_written();
  /// Closes with a line in the log; a client's mistake is a warning.
  void refuse(const std::string& reason);
  void hang_up(const std::string& reason);

  bool is_closed() const { return closed_; }
  bool is_draining() const { return draining_; }
  Clock& clock() const { return clock_; }
  ConnectionMemory& memory() const { return *memory_; }
  /// Whether a large answer may be started; if not, the connection is told when it may try again.
  bool may_answer() { return memory_->may_answer(*this, clock_.steady(), prompt_until_); }
  void log_failure(LogLevel level, const std::string& reason);

 private:
  void advance();
  bool next_frame();
  void write();
  void on_written(const Result<void>& outcome);
  void read();
  void on_read(Result<std::size_t> size);
  void linger();
  void account();

  const std::string_view what_;
  const std::unique_ptr<Stream> stream_;
  Clock& clock_;
  const std::shared_ptr<ConnectionMemory> memory_;
  UniqueFunction<void(Connection&)> on_closed_;
  FrameReader frames_;
  const ConnectionLimits& limits_;
  ConnectionStats& stats_;
  std::optional<SharedBytes> waiting_;  // a whole frame that may not start yet

  std::size_t output_bytes_ = 0;   // produced and not written
  std::size_t writing_bytes_ = 0;  // of these, what the write under way has
  bool reading_ = false;
  bool writing_ = false;
  bool advancing_ = false;
  bool draining_ = false;
  bool closing_ = false;
  bool closed_ = false;
  std::vector<std::byte> dropped_;  // while it lingers
  Clock::TimerId linger_timer_ = 0;
  SteadyTime last_activity_{0};
  SteadyTime write_since_{0};
  SteadyTime prompt_until_{0};             // it took something a moment ago
  SteadyTime taken_at_{0};                 // when it was last seen to take something, while others wait
  std::size_t unsent_seen_ = 0;            // then
  std::optional<SteadyTime> frame_since_;  // since when a partial frame has been waited for
};

}  // namespace sluice::broker
