#include "broker/service/shard_services.h"

#include "protocol/base/log.h"

namespace sluice::broker {
namespace {
constexpr Nanos kSweepEvery = std::chrono::seconds(1);
}

ShardServices::ShardServices(ServiceOptions options, ShardId id, unsigned shard_count, Clock& clock, Random& random)
    : context_{.options = std::move(options),
               .id = id,
               .shard_count = shard_count,
               .clock = clock,
               .random = random,
               .view = {},
               .shard = nullptr,
               .peers = {},
               .mailboxes = {},
               .draining = false,
               .stats = {}},
      produce_(context_),
      fetch_(context_),
      offsets_(context_),
      delete_records_(context_),
      log_directory_(context_),
      partition_info_(context_),
      topic_jobs_(context_),
      topics_(context_, topic_jobs_),
      topic_changes_(context_, topic_jobs_),
      producer_ids_(context_) {
  for (GroupId group : context_.options.groups) context_.view.set_leadership(group, {});
}

ShardServices::~ShardServices() = default;

void ShardServices::connect(Shard& shard, std::vector<ShardServices*> peers, std::vector<Mailbox*> mailboxes) {
  context_.shard = &shard;
  context_.peers = std::move(peers);
  context_.mailboxes = std::move(mailboxes);
}

void ShardServices::start() {
  for (const auto& replica : context_.shard->replicas()) {
    if (const TableState* table = replica->table(kClusterTable))
      for (const auto& [key, row] : table->rows())
        table_row_changed(std::string(kClusterTable), key, row.value, row.revision);
  }
  arm_sweep();
}

void ShardServices::arm_sweep() {
  context_.clock.call_after(kSweepEvery, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    produce_.sweep();
    arm_sweep();
  });
}

void ShardServices::drain() {
  context_.draining = true;
  fetch_.drain();
}

void ShardServices::produce(ProduceRequest request, UniqueFunction<void(std::vector<ProducePartResult>)> done) {
  produce_.produce(std::move(request), std::move(done));
}
void ShardServices::fetch(FetchRequest request, UniqueFunction<void(std::vector<FetchPartResult>)> done) {
  fetch_.fetch(std::move(request), std::move(done));
}
void ShardServices::list_offsets(std::vector<ListOffsetsPart> parts, Isolation, Millis limit,
                                 UniqueFunction<void(std::vector<ListOffsetsResult>)> done) {
  offsets_.list(std::move(parts), limit, std::move(done));
}
void ShardServices::create_topics(std::vector<CreateTopicRequest> topics, Millis limit,
                                  UniqueFunction<void(std::vector<CreateTopicResult>)> done) {
  topics_.create(std::move(topics), limit, std::move(done));
}
void ShardServices::delete_topics(std::vector<TopicRef> topics, Millis limit,
                                  UniqueFunction<void(std::vector<DeleteTopicResult>)> done) {
  topics_.remove(std::move(topics), limit, std::move(done));
}
void ShardServices::grow_topics(std::vector<GrowTopicRequest> topics, Millis limit,
                                UniqueFunction<void(std::vector<Result<void>>)> done) {
  topic_changes_.grow(std::move(topics), limit, std::move(done));
}
void ShardServices::alter_topics(std::vector<AlterTopicRequest> topics, Millis limit,
                                 UniqueFunction<void(std::vector<Result<void>>)> done) {
  topic_changes_.alter(std::move(topics), limit, std::move(done));
}
void ShardServices::delete_records(std::vector<DeleteRecordsPart> parts, Millis limit,
                                   UniqueFunction<void(std::vector<DeleteRecordsResult>)> done) {
  delete_records_.remove(std::move(parts), limit, std::move(done));
}
void ShardServices::epoch_ends(std::vector<EpochEndPart> parts,
                               UniqueFunction<void(std::vector<EpochEndResult>)> done) {
  offsets_.epoch_ends(std::move(parts), std::move(done));
}
void ShardServices::describe_partitions(std::vector<DescribePartitionPart> parts, Millis timeout,
                                        UniqueFunction<void(std::vector<PartitionDescription>)> done) {
  partition_info_.describe(std::move(parts), timeout, std::move(done));
}
void ShardServices::describe_log_directory(UniqueFunction<void(LogDirectory)> done) {
  log_directory_.describe(std::move(done));
}
void ShardServices::init_producer_id(std::optional<ProducerIdentity>, Millis,
                                     UniqueFunction<void(Result<ProducerIdentity>)> done) {
  producer_ids_.init(std::move(done));
}

std::optional<LeaderEpoch> ShardServices::leader_epoch(const TopicInfo& topic, PartitionIndex partition) const {
  if (partition.value < 0 || static_cast<std::size_t>(partition.value) >= topic.partitions.size()) return std::nullopt;
  const PartitionPlacement& placement = topic.partitions[static_cast<std::size_t>(partition.value)];
  const GroupLeadership leadership = context_.view.leadership(placement.group);
  if (!leadership.ready) return std::nullopt;
  return placement.epoch_base.plus(static_cast<std::int32_t>(leadership.term.value));
}

// ---- What the shard applies ----

void ShardServices::partition_moved(const PartitionId& partition, bool) { fetch_.partition_moved(partition); }

void ShardServices::table_row_changed(const std::string& table, const std::string& key,
                                      const std::optional<std::string>& value, std::uint64_t revision) {
  if (table != kClusterTable) return;
  take_row(key, value, revision);
  for (std::uint32_t shard = 0; shard < context_.shard_count; ++shard)
    if (shard != context_.id.value)
      context_.post(ShardId(shard),
                    [key, value, revision](ShardServices& peer) { peer.take_row(key, value, revision); });
}

void ShardServices::leadership_changed(GroupId group, const GroupLeadership& leadership) {
  take_leadership(group, leadership);
  for (std::uint32_t shard = 0; shard < context_.shard_count; ++shard)
    if (shard != context_.id.value)
      context_.post(ShardId(shard),
                    [group, leadership](ShardServices& peer) { peer.take_leadership(group, leadership); });
  if (group == kControllerGroup && leadership.ready) context_.defer([this] { topic_jobs_.resume(); });
}

void ShardServices::take_row(const std::string& key, const std::optional<std::string>& value, std::uint64_t revision) {
  auto taken = context_.view.apply_row(key, value ? std::optional<std::string_view>(*value) : std::nullopt, revision);
  if (!taken) log_error("row '{}' of {} can't be read and is ignored: {}", key, kClusterTable, taken.error().message);
  layout_moved();
}

void ShardServices::take_leadership(GroupId group, const GroupLeadership& leadership) {
  context_.view.set_leadership(group, leadership);
  layout_moved();
}

/// Watchers are told in a later step: many changes come at one time.
void ShardServices::layout_moved() {
  ++layout_revision_;
  if (layout_watchers_.empty() || std::exchange(telling_layout_, true)) return;
  context_.defer([this] {
    telling_layout_ = false;
    for (auto& changed : std::exchange(layout_watchers_, {})) changed();
  });
}

}  // namespace sluice::broker
