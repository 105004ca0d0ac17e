// InitProducerId: the identity of an idempotent or transactional producer (API 22). Source: Apache Kafka's public
// InitProducerIdRequest and InitProducerIdResponse.
// Owner: protocol/kafka.
#pragma once

#include <optional>
#include <string_view>

#include "protocol/kafka/shared_parts.h"

namespace sluice::kafka {

struct InitProducerIdRequest {
  static constexpr ApiKey kApi = ApiKey::init_producer_id;
  std::optional<std::string_view> transactional_id;  ///< null: idempotent only
  std::int32_t transaction_timeout_ms = 0;
  ProducerId producer_id{-1};
  std::int16_t producer_epoch = -1;

  template <class A>
  void io(A& a) {
    a(transactional_id, nullable);
    a(transaction_timeout_ms);
    a(producer_id, since(3));
    a(producer_epoch, since(3));
  }
};

struct InitProducerIdResponse {
  static constexpr ApiKey kApi = ApiKey::init_producer_id;
  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  ProducerId producer_id{-1};
  std::int16_t producer_epoch = -1;

  template <class A>
  void io(A& a) {
    a(throttle_time_ms);
    a(error_code);
    a(producer_id);
    a(producer_epoch);
  }
};

}  // namespace sluice::kafka
