// What a client may do, as Kafka tells it who asks: a bit for each operation, in Kafka's numbers. There is no
// authentication yet, so everybody may do everything that there is. Owner: broker/listener.
#pragma once

#include <cstdint>

namespace sluice::broker {

enum class Operation : std::int32_t {
  read = 3,
  write = 4,
  create = 5,
  remove = 6,
  alter = 7,
  describe = 8,
  describe_configs = 10,
  alter_configs = 11,
  idempotent_write = 12,
};

template <class... Operations>
constexpr std::int32_t operation_bits(Operations... operations) {
  return (... | (std::int32_t{1} << static_cast<std::int32_t>(operations)));
}

inline constexpr std::int32_t kClusterOperations =
    operation_bits(Operation::create, Operation::alter, Operation::describe, Operation::describe_configs,
                   Operation::alter_configs, Operation::idempotent_write);
inline constexpr std::int32_t kTopicOperations =
    operation_bits(Operation::read, Operation::write, Operation::create, Operation::remove, Operation::alter,
                   Operation::describe, Operation::describe_configs, Operation::alter_configs);
/// Of the broker's own topics.
inline constexpr std::int32_t kInternalTopicOperations =
    operation_bits(Operation::read, Operation::describe, Operation::describe_configs);

}  // namespace sluice::broker
