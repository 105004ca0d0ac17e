// One pair of functions for each message of commands.proto. What is read is untrusted: each value is held against its
// range here, so that nobody behind needs to.
#include "broker/core/command_bodies.h"

#include <fmt/core.h>

#include "broker/core/commands.pb.h"
#include "broker/core/stored_values.h"

namespace sluice::broker {
namespace {

void store_partition(const PartitionId& id, pb::Partition& into) {
  into.set_topic_id(store_topic_id(id.topic));
  into.set_index(id.index.value);
}
Result<PartitionId> load_partition(const pb::Partition& from) {
  const Result<TopicId> topic = load_topic_id(from.topic_id());
  if (!topic) return fail(topic.error());
  if (from.index() < 0) return fail(Errc::malformed, fmt::format("partition index {} is negative", from.index()));
  return PartitionId{*topic, PartitionIndex(from.index())};
}

std::string encode(const CreatePartitionCommand& command) {
  pb::CreatePartition message;
  store_partition(command.partition, *message.mutable_partition());
  message.set_epoch_base(command.epoch_base.value);
  store_settings(command.settings, *message.mutable_settings());
  return serialized(message);
}
Result<Command> decode(const pb::CreatePartition& message) {
  const Result<PartitionId> partition = load_partition(message.partition());
  if (!partition) return fail(partition.error());
  const Result<TopicSettings> settings = load_settings(message.settings());
  if (!settings) return fail(settings.error());
  if (message.epoch_base() < 0) {
    return fail(Errc::malformed, fmt::format("epoch base {} is negative", message.epoch_base()));
  }
  return CreatePartitionCommand{*partition, LeaderEpoch(message.epoch_base()), *settings};
}

std::string encode(const DeletePartitionCommand& command) {
  pb::DeletePartition message;
  store_partition(command.partition, *message.mutable_partition());
  return serialized(message);
}
Result<Command> decode(const pb::DeletePartition& message) {
  const Result<PartitionId> partition = load_partition(message.partition());
  if (!partition) return fail(partition.error());
  return DeletePartitionCommand{*partition};
}

std::string encode(const AdvanceStartCommand& command) {
  pb::AdvanceStart message;
  store_partition(command.partition, *message.mutable_partition());
  message.set_start(command.start.value);
  return serialized(message);
}
Result<Command> decode(const pb::AdvanceStart& message) {
  const Result<PartitionId> partition = load_partition(message.partition());
  if (!partition) return fail(partition.error());
  if (message.start() < 0) return fail(Errc::malformed, fmt::format("start offset {} is negative", message.start()));
  return AdvanceStartCommand{*partition, Offset(message.start())};
}

std::string encode(const AlterPartitionCommand& command) {
  pb::AlterPartition message;
  store_partition(command.partition, *message.mutable_partition());
  store_settings(command.settings, *message.mutable_settings());
  return serialized(message);
}
Result<Command> decode(const pb::AlterPartition& message) {
  const Result<PartitionId> partition = load_partition(message.partition());
  if (!partition) return fail(partition.error());
  const Result<TopicSettings> settings = load_settings(message.settings());
  if (!settings) return fail(settings.error());
  return AlterPartitionCommand{*partition, *settings};
}

std::string encode(const ExpireProducersCommand& command) {
  pb::ExpireProducers message;
  message.set_idle_since_ms(command.idle_since_ms);
  return serialized(message);
}
Result<Command> decode(const pb::ExpireProducers& message) { return ExpireProducersCommand{message.idle_since_ms()}; }

std::string encode(const ReserveOffsetsCommand& command) {
  pb::ReserveOffsets message;
  store_partition(command.partition, *message.mutable_partition());
  message.set_upto(command.upto.value);
  return serialized(message);
}
Result<Command> decode(const pb::ReserveOffsets& message) {
  const Result<PartitionId> partition = load_partition(message.partition());
  if (!partition) return fail(partition.error());
  if (message.upto() < 0) return fail(Errc::malformed, fmt::format("reserved offsets end at {}", message.upto()));
  return ReserveOffsetsCommand{*partition, Offset(message.upto())};
}

std::string encode(const WriteTableCommand& command) {
  pb::WriteTable message;
  message.set_table(command.table);
  for (const TableWrite& write : command.writes) {
    pb::TableWrite& stored = *message.add_writes();
    stored.set_key(write.key);
    if (write.value) stored.set_value(*write.value);
    if (write.expected_revision) stored.set_expected_revision(*write.expected_revision);
  }
  return serialized(message);
}
Result<Command> decode(const pb::WriteTable& message) {
  WriteTableCommand command;
  command.table = message.table();
  if (command.table.empty()) return fail(Errc::malformed, "a table write names no table");
  if (message.writes().empty()) return fail(Errc::malformed, "a table write holds no rows");
  command.writes.reserve(static_cast<std::size_t>(message.writes_size()));
  for (const pb::TableWrite& stored : message.writes()) {
    TableWrite& write = command.writes.emplace_back();
    write.key = stored.key();
    if (stored.has_value()) write.value = stored.value();
    if (stored.has_expected_revision()) write.expected_revision = stored.expected_revision();
  }
  return Command(std::move(command));
}

template <class Message>
Result<Command> decode_as(ByteSpan body) {
  Message message;
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return fail(Errc::malformed,
                fmt::format("a command's body of {} bytes is not the message of its kind", body.size()));
  }
  return decode(message);
}

}  // namespace

CommandKind kind_of(const Command& command) {
  struct Kind {
    CommandKind operator()(const CreatePartitionCommand&) const { return CommandKind::create_partition; }
    CommandKind operator()(const DeletePartitionCommand&) const { return CommandKind::delete_partition; }
    CommandKind operator()(const AdvanceStartCommand&) const { return CommandKind::advance_start; }
    CommandKind operator()(const AlterPartitionCommand&) const { return CommandKind::alter_partition; }
    CommandKind operator()(const ExpireProducersCommand&) const { return CommandKind::expire_producers; }
    CommandKind operator()(const WriteTableCommand&) const { return CommandKind::write_table; }
    CommandKind operator()(const ReserveOffsetsCommand&) const { return CommandKind::reserve_offsets; }
  };
  return std::visit(Kind{}, command);
}

std::string encode_body(const Command& command) {
  return std::visit([](const auto& one) { return encode(one); }, command);
}

Result<Command> decode_body(CommandKind kind, ByteSpan body) {
  constexpr std::size_t kMostBytes = 0x7fffffff;  // Protobuf's own limit
  if (body.size() > kMostBytes) return fail(Errc::malformed, "a command's body is larger than 2 GiB");
  switch (kind) {
    case CommandKind::create_partition: return decode_as<pb::CreatePartition>(body);
    case CommandKind::delete_partition: return decode_as<pb::DeletePartition>(body);
    case CommandKind::advance_start: return decode_as<pb::AdvanceStart>(body);
    case CommandKind::alter_partition: return decode_as<pb::AlterPartition>(body);
    case CommandKind::expire_producers: return decode_as<pb::ExpireProducers>(body);
    case CommandKind::write_table: return decode_as<pb::WriteTable>(body);
    case CommandKind::reserve_offsets: return decode_as<pb::ReserveOffsets>(body);
    case CommandKind::append: break;
  }
  return fail(Errc::malformed, fmt::format("{} is no kind of command with a message", static_cast<int>(kind)));
}

}  // namespace sluice::broker
