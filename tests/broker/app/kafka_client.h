// A tiny blocking Kafka client over a real socket: one connection, one request at a time. For tests that need real threads and
// real TCP; the listener's own tests use the simulated network.
// Thread safety: each client belongs to one thread.
#pragma once

#include <arpa/inet.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "protocol/kafka/codec.h"
#include "protocol/kafka/messages.h"

namespace sluice::broker {

/// A reply with the bytes that its views point into.
template <class Message>
struct KafkaReply {
  SharedBytes frame;
  Message message;
  Message* operator->() { return &message; }
};

class KafkaClient {
 public:
  /// `address`: "127.0.0.1:PORT".
  explicit KafkaClient(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) ended_ = true;
  }
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;
  ~KafkaClient() {
    if (fd_ >= 0) ::close(fd_);
  }

  /// From now on the broker may end the connection instead of answering.
  void may_end() { may_end_ = true; }

  /// Sends and waits for the reply. The test fails, and the reply is empty, when the connection ends.
  template <class Response, class Request>
  KafkaReply<Response> ask(std::int16_t version, const Request& request) {
    const std::int32_t id = ++last_id_;
    for (const SharedBytes& piece : kafka::encode_request(id, "test", version, request).pieces) send_all(piece);
    std::byte size[4];
    receive_all(size);
    if (!ended_) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(load_be<std::int32_t>(size)));
      receive_all(bytes);
      const auto frame = SharedBytes::take(std::move(bytes));
      const std::size_t header = kafka::response_header_version(kafka::api_info(Response::kApi), version) == 1 ? 5 : 4;
      if (!ended_ && frame.size() >= header) {
        EXPECT_EQ(load_be<std::int32_t>(frame.data()), id) << "replies come in order";
        auto response = kafka::decode<Response>(frame.span().subspan(header), version, {}, frame.owner());
        EXPECT_TRUE(response) << response.error().message;
        if (response) return {frame, std::move(*response)};
      }
    }
    if (!may_end_) ADD_FAILURE() << "no reply to " << kafka::api_info(Response::kApi).name << " " << id;
    return {};
  }

 private:
  void send_all(ByteSpan bytes) {
    while (!ended_ && !bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) ended_ = true;
      else bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void receive_all(MutableByteSpan into) {
    while (!ended_ && !into.empty()) {
      const ssize_t n = ::recv(fd_, into.data(), into.size(), 0);
      if (n <= 0) ended_ = true;
      else into = into.subspan(static_cast<std::size_t>(n));
    }
  }

  int fd_;
  std::int32_t last_id_ = 0;
  bool ended_ = false;
  bool may_end_ = false;
};

}  // namespace sluice::broker
