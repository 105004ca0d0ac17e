// One native connection: the handshake, questions and their answers in whatever order, and what the node says on its
// own.
//
// Invariants: nothing but HELLO is taken before WELCOME; questions under way, their bytes, and output that the client
// has not taken are bounded (NativeSettings): past a bound nothing is started and nothing is read. What fails without
// anybody waiting for it is kept as one NOTICE until that can be sent. Thread safety: the shard's thread. Owner:
// NativeServer, by shared pointer; calls under way hold it weakly.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "broker/listener/native_call.h"
#include "protocol/native/frame.h"

namespace sluice::broker {

class NativeSession final : public Connection {
 public:
  NativeSession(std::unique_ptr<Stream> stream, std::shared_ptr<NativeContext> context,
                std::size_t publish_window_bytes, UniqueFunction<void(Connection&)> closed);

  /// The layout's revision changed: told to clients that watch it.
  void layout_changed(std::uint64_t revision);
  bool watches_layout() const { return watch_.has_value(); }
  /// Begins or replaces the watch that question `id` asks for.
  void watch_layout(std::uint32_t id, std::uint64_t known_revision);
  void set_publish_window(std::size_t bytes);

  std::size_t questions_under_way() const { return questions_; }
  const std::string& client_name() const { return client_name_; }

  // For calls.
  /// Puts a frame behind what waits to be sent; it goes with the next output_changed() or question_over().
  void send(native::FrameKind kind, std::uint32_t id, const google::protobuf::MessageLite& header,
            std::span<const SharedBytes> payload = {});
  /// Something failed that nobody waits for: told in a NOTICE.
  void note(const Error& error, std::string_view topic);
  /// A question of so many bytes is over; its answer, if any, was put before.
  void question_over(std::size_t bytes);
  /// The largest frame that the client takes.
  std::size_t max_frame_bytes() const { return peer_max_frame_bytes_; }

 private:
  struct LayoutWatch {
    std::uint32_t id = 0;
    std::uint64_t told = 0;
  };
  struct Note {
    Error error;
    std::string topic;
    std::uint64_t count = 0;
  };

  bool may_start(const SharedBytes& frame) override;
  void start_frame(SharedBytes frame) override;
  std::vector<SharedBytes> take_output() override;
  void own_waiting_output() override { out_.own_pieces(); }
  bool has_work_under_way() const override { return questions_ > 0; }
  void ended() override {}
  void draining() override;

  void greet(const native::Frame& frame);
  void start_question(native::Frame frame);
  /// The connection can't go on: says why, and ends.
  void give_up(std::uint32_t id, native::ErrorCode code, const std::string& message);

  const std::shared_ptr<NativeContext> context_;
  native::FrameWriter out_;
  std::optional<Note> note_;
  std::optional<LayoutWatch> watch_;
  std::size_t questions_ = 0;
  std::size_t question_bytes_ = 0;
  std::size_t publish_window_bytes_;
  std::size_t peer_max_frame_bytes_ = native::kDefaultMaxFrameBytes;
  bool welcomed_ = false;
  std::string client_name_;
};

}  // namespace sluice::broker
