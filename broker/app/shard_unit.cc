#include "broker/app/shard_unit.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "broker/app/memory_plan.h"
#include "broker/app/node_settings.h"
#include "broker/app/version.h"
#include "broker/core/table_feed.h"

namespace sluice::broker {
namespace {

constexpr std::uint64_t kLeastEntryBytes = 1U << 20;
constexpr Nanos kDrainLimit = std::chrono::seconds(5);

MemoryPlan memory_of(const Settings& settings, const NodeIdentity& identity) {
  return plan_memory(settings.memory_budget_bytes != 0 ? settings.memory_budget_bytes : default_memory_budget(),
                     identity.shards, settings.kafka_max_request_bytes);
}

ShardOptions shard_options(const Settings& settings, const NodeIdentity& identity, ShardId id) {
  ShardOptions options;
  options.id = id;
  options.node = identity.node;
  options.cluster_id = identity.cluster_id;
  options.data_directory = settings.data_dir;
  options.groups = groups_of(id, identity.shards);
  options.journal.directory = settings.journal_dir.empty()
                                  ? fmt::format("{}/shard-{}/journal", settings.data_dir, id.value)
                                  : fmt::format("{}/shard-{}", settings.journal_dir, id.value);
  options.journal.file_bytes = settings.journal_file_bytes;
  options.journal.capacity_bytes =
      std::max(settings.journal_capacity_bytes / identity.shards, 4 * settings.journal_file_bytes);
  options.journal.direct = settings.journal_direct;
  // The largest batch, and in any case a command with a table's largest rows.
  options.journal.max_entry_bytes =
      static_cast<std::uint32_t>(std::max(settings.kafka_max_request_bytes, kLeastEntryBytes) + (1 << 16));
  options.journal.sync = settings.journal_sync == "dsync"       ? storage::JournalSync::dsync
                         : settings.journal_sync == "fdatasync" ? storage::JournalSync::fdatasync
                                                                : storage::JournalSync::automatic;
  options.max_open_files = settings.log_max_open_files;
  options.log.direct_run_bytes = settings.log_direct_bytes;
  const MemoryPlan memory = memory_of(settings, identity);
  options.journal.buffer_bytes = memory.flush_buffer_bytes;
  options.max_tail_bytes = memory.tail_bytes;
  options.max_memory_topic_bytes =
      settings.memory_topic_bytes != 0 ? settings.memory_topic_bytes : memory.memory_topic_bytes;
  options.spill_bytes = settings.memory_spill_bytes != 0 ? settings.memory_spill_bytes : memory.spill_bytes;
  options.max_unspilled_bytes =
      settings.memory_max_unspilled_bytes != 0 ? settings.memory_max_unspilled_bytes : memory.max_unspilled_bytes;
  options.checkpoint_logs_at_once = settings.checkpoint_logs_at_once;
  options.idle_checkpoint = Millis(settings.checkpoint_idle_ms);
  options.retention_check = Millis(settings.retention_check_ms);
  options.producer_expiry_ms = settings.producer_expiry_ms;
  options.min_free_bytes = settings.disk_min_free_bytes;
  options.reserve_bytes = settings.disk_reserve_bytes;
  return options;
}

ServiceOptions service_options(const Settings& settings, const NodeIdentity& identity) {
  ServiceOptions options;
  options.node = identity.node;
  options.cluster_id = identity.cluster_id;
  options.auto_create_topics = settings.topics_auto_create;
  options.default_partitions = static_cast<std::int32_t>(settings.topics_default_partitions);
  options.max_partitions = static_cast<std::int32_t>(settings.topics_max_partitions);
  options.groups = all_groups(identity.shards);
  options.data_directory = settings.data_dir;
  std::error_code none;
  if (const auto absolute = std::filesystem::absolute(settings.data_dir, none); !none)
    options.data_directory = absolute.lexically_normal().string();
  options.node_settings = describe_node_settings(settings, identity);
  return options;
}

KafkaSettings kafka_settings(const Settings& settings, const NodeIdentity& identity) {
  KafkaSettings kafka;
  const MemoryPlan memory = memory_of(settings, identity);
  kafka.max_request_bytes = memory.max_request_bytes;
  kafka.max_requests_memory = memory.request_bytes;
  kafka.max_replies_memory = memory.reply_bytes;
  kafka.max_output_bytes = std::min<std::size_t>(kafka.max_output_bytes, memory.reply_bytes / 8);
  kafka.max_connections = settings.kafka_max_connections;
  kafka.idle_timeout = Millis(settings.kafka_idle_timeout_ms);
  kafka.frame_timeout = Millis(settings.kafka_frame_timeout_ms);
  kafka.sweep_interval = std::min({kafka.sweep_interval, kafka.idle_timeout / 4, kafka.frame_timeout / 4});
  return kafka;
}

NativeSettings native_settings(const Settings& settings, const NodeIdentity& identity) {
  NativeSettings native;
  const KafkaSettings kafka = kafka_settings(settings, identity);
  native.software = fmt::format("sluiced/{}", kVersion);
  native.max_frame_bytes = kafka.max_request_bytes;
  native.sweep_interval = kafka.sweep_interval;
  native.publish_memory = kafka.max_requests_memory / 2;
  native.drain_grace = std::chrono::duration_cast<Millis>(kDrainLimit);
  return native;
}

}  // namespace

ShardUnit::ShardUnit(const Settings& settings, const NodeIdentity& identity, ShardId id, UnitSeams seams)
    : identity_(identity),
      producers_(seams.producers),
      loop_stats_(std::move(seams.loop_stats)),
      services_(service_options(settings, identity), id, identity.shards, seams.clock, seams.random),
      shard_(shard_options(settings, identity, id),
             ShardSeams{seams.disk, seams.clock, seams.random, services_, std::move(seams.producers),
                        std::move(seams.wake), std::move(seams.fatal), std::move(seams.freed),
                        [this] { tell_starved(); }, std::move(seams.unspilled)}),
      kafka_(services_, seams.clock, seams.random, kafka_settings(settings, identity), seams.connections),
      native_(services_, seams.clock, kafka_.shared_memory(), native_settings(settings, identity), seams.connections) {}

/// Replies of any shard's clients may hold this shard's flush buffers.
void ShardUnit::tell_starved() {
  for (ShardUnit* unit : units_)
    services_.post(unit->shard_.id(), [unit](ShardServices&) {
      unit->kafka_.own_replies();
      unit->native_.own_output();
    });
}

void ShardUnit::connect(const std::vector<ShardUnit*>& all, std::vector<Mailbox*> mailboxes) {
  units_ = all;
  std::vector<ShardServices*> peers;
  for (ShardUnit* unit : all) peers.push_back(&unit->services_);
  services_.connect(shard_, std::move(peers), std::move(mailboxes));
}

Result<void> ShardUnit::recover() {
  if (auto recovered = shard_.recover(); !recovered) return recovered;
  services_.start();
  return {};
}

void ShardUnit::announce_node(const NodeInfo& self, UniqueFunction<void(Result<void>)> done) {
  Replica* const controller = shard_.replica(kControllerGroup);
  const TableState& table = *controller->table(kClusterTable);
  WriteTableCommand write{std::string(kClusterTable), {}};
  std::string node = encode_node_row(self);
  const TableRow* const there = table.find(node_row_key(identity_.node));
  if (there == nullptr || there->value != node)
    write.writes.push_back({node_row_key(identity_.node), std::move(node), std::nullopt});
  const std::string feed = topic_row_key(kClusterTable);
  if (table.find(feed) == nullptr)
    write.writes.push_back({feed, encode_topic_row(table_feed_topic(kClusterTable, kControllerGroup)), std::nullopt});
  if (write.writes.empty()) return done({});
  controller->submit(std::move(write), [done = std::move(done)](Result<std::uint64_t> written) mutable {
    if (!written) return done(fail(written.error()));
    done({});
  });
}

void ShardUnit::when_all_were_told(UniqueFunction<void()> done) {
  struct Waiting {
    std::uint32_t answers;
    UniqueFunction<void()> done;
  };
  // Mailboxes keep the order, so who answers has taken what came before.
  auto waiting = std::make_shared<Waiting>(identity_.shards, std::move(done));
  for (std::uint32_t shard = 0; shard < identity_.shards; ++shard)
    services_.post(ShardId(shard), [waiting, self = shard_.id()](ShardServices& there) {
      there.post(self, [waiting](ShardServices&) {
        if (--waiting->answers == 0) waiting->done();
      });
    });
}

void ShardUnit::drain_requests(UniqueFunction<void()> done) {
  services_.drain();
  auto both = std::make_shared<UniqueFunction<void()>>([waiting = 2, done = std::move(done)]() mutable {
    if (--waiting == 0) done();
  });
  kafka_.drain(kDrainLimit, [both] { (*both)(); });
  native_.drain(kDrainLimit, [both] { (*both)(); });
}

}  // namespace sluice::broker
