// One Kafka connection: frames in, replies out in the order of the requests.
//
// Requests are started as they come and may be answered in any order; a finished reply waits for those before it. A
// Fetch starts only when the one before it has been answered, since its replies are the large ones.
// Invariants: requests in progress, their bytes, and replies not yet taken by the client are bounded (KafkaSettings);
// past a bound nothing is started and nothing is read, so the client feels it through TCP. While a read is under way
// every whole frame that arrived has been started. A session ends once, with `closed` called once.
// Thread safety: the shard's thread. Owner: the KafkaServer, by shared pointer; requests under way hold it weakly.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "broker/listener/kafka_call.h"
#include "broker/listener/kafka_settings.h"
#include "broker/net/stream.h"
#include "broker/service/broker_api.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/kafka/frame.h"

namespace sluice::broker {

class KafkaSession final : public ReplySink,
                           public ConnectionMemory::Party,
                           public std::enable_shared_from_this<KafkaSession> {
 public:
  /// `closed` is called once, when the connection has ended; never inside this constructor or start().
  KafkaSession(std::unique_ptr<Stream> stream, BrokerApi& broker, Clock& clock, const KafkaSettings& settings,
               std::shared_ptr<ConnectionMemory> memory, std::shared_ptr<FetchSessions> fetch_sessions,
               std::shared_ptr<KafkaStats> stats, UniqueFunction<void(KafkaSession&)> closed);
  ~KafkaSession() override;

  /// Begins to read. Once, when a shared pointer holds the session.
  void start();
  /// Starts no more requests; closes when those under way are answered and their replies written.
  void drain();
  void close();
  /// Closes the connection if it fell idle, if a frame takes too long to come or a reply to be taken.
  void check_deadlines();
  /// Copies what the client has not taken out of buffers that others wait for.
  void own_replies();

  // ReplySink.
  void complete(std::uint64_t sequence, kafka::EncodedFrame frame) override;
  void refuse(const std::string& reason) override;
  void hang_up(const std::string& reason) override;

  // ConnectionMemory::Party.
  void memory_freed() override;

  std::size_t requests_in_progress() const { return slots_.size(); }
  std::size_t output_bytes() const { return output_bytes_; }
  std::size_t receive_capacity() const { return frames_.capacity(); }
  bool reading() const { return reading_; }
  const std::string& peer() const { return stream_->peer(); }

 private:
  /// A request's place in the order of replies.
  struct Slot {
    kafka::ApiKey api{};
    std::size_t request_bytes = 0;
    bool fetch = false;
    bool finished = false;
    kafka::EncodedFrame reply;
  };

  void close_failed(LogLevel level, const std::string& reason);
  void advance();
  bool next_frame();
  bool may_start(const SharedBytes& frame);
  void account();
  void start_request(SharedBytes frame);
  void read();
  void on_read(Result<std::size_t> size);
  void write();
  void on_written(const Result<void>& outcome);

  std::unique_ptr<Stream> stream_;
  const std::shared_ptr<const CallContext> context_;
  Clock& clock_;
  const KafkaSettings& settings_;
  UniqueFunction<void(KafkaSession&)> on_closed_;
  kafka::FrameReader frames_;
  std::optional<SharedBytes> waiting_;  // a whole frame that may not start yet

  std::deque<Slot> slots_;
  std::uint64_t first_sequence_ = 0;  // of slots_.front()
  std::size_t bytes_in_progress_ = 0;
  std::size_t fetches_in_progress_ = 0;
  std::size_t output_bytes_ = 0;   // of finished replies that are not written
  std::size_t writing_bytes_ = 0;  // of these, what the write under way has

  bool reading_ = false;
  bool writing_ = false;
  bool advancing_ = false;
  bool draining_ = false;
  bool closed_ = false;
  SteadyTime last_activity_{0};
  SteadyTime write_since_{0};
  SteadyTime prompt_until_{0};             // it took a reply a moment ago
  SteadyTime taken_at_{0};                 // when the client was last seen to take something, while others wait
  std::size_t unsent_seen_ = 0;            // then
  std::optional<SteadyTime> frame_since_;  // since when a partial frame has been waited for
};

}  // namespace sluice::broker
