#include "tests/sim/node/history.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::broker::sim {
namespace {

constexpr std::size_t kNumberBytes = 12;  // a batch's number, a record's place in it
constexpr std::size_t kMaxDecompressed = 8U << 20;

std::string text(const PartitionModel& partition) {
  return fmt::format("{}-{} ({})", partition.topic->name, partition.id.index.value, partition.id.text().substr(0, 6));
}

}  // namespace

void History::violate(std::string what) {
  note(0xbad);
  if (violation_.empty()) violation_ = std::move(what);
}

void History::note(std::uint64_t a, std::uint64_t b) {
  for (std::uint64_t value : {a, b}) hash_ = (hash_ ^ value) * 0x100000001b3ULL + (hash_ >> 29);
}

// ---- Batches ----

std::vector<std::byte> History::make_batch(const PartitionModel& partition, BatchBuilder::Options options,
                                           std::int32_t count, std::size_t value_bytes, std::int64_t timestamp_ms,
                                           BatchNumber& number) {
  number = batches_.size();
  batches_.push_back({partition.id, count, timestamp_ms, -1});
  BatchBuilder builder(options);
  for (std::int32_t nth = 0; nth < count; ++nth) {
    std::vector<std::byte> value(std::max(value_bytes, kNumberBytes), static_cast<std::byte>(number * 7 + 1));
    store_le(value.data(), number);
    store_le(value.data() + 8, nth);
    builder.add(timestamp_ms, std::nullopt, ByteSpan(value));
  }
  return builder.build();
}

void History::learn(PartitionModel& partition, BatchNumber number, std::int64_t base, const char* how) {
  Batch& batch = batches_[number];
  if (batch.partition != partition.id)
    return violate(fmt::format("batch {} is {} in {}, but was sent to {}", number, how, text(partition),
                               batch.partition.text()));
  if (base < partition.life_start)
    return violate(fmt::format("batch {} is {} at offset {} of {}, whose life began at {}: it is of an earlier one",
                               number, how, base, text(partition), partition.life_start));
  if (batch.base == base) return;
  if (batch.base >= 0)
    return violate(fmt::format("batch {} is {} at offset {} of {}, and stands at {} too: a duplicate", number, how, base,
                               text(partition), batch.base));
  const auto next = partition.known.lower_bound(base);
  if (next != partition.known.end() && next->first < base + batch.count)
    return violate(fmt::format("batch {} of {} records is {} at offset {} of {}, where batch {} stood at {}", number,
                               batch.count, how, base, text(partition), next->second, next->first));
  if (next != partition.known.begin()) {
    const auto before = std::prev(next);
    if (before->first + batches_[before->second].count > base)
      return violate(fmt::format("batch {} is {} at offset {} of {}, within batch {} at {}", number, how, base,
                                 text(partition), before->second, before->first));
  }
  partition.known.emplace_hint(next, base, number);
  batch.base = base;
}

void History::acknowledged(PartitionModel& partition, BatchNumber number, Offset base, Acks acks) {
  ++acknowledgements_;
  memory_acknowledgements_ += partition.topic->in_memory() ? 1 : 0;
  note(number, static_cast<std::uint64_t>(base.value));
  learn(partition, number, base.value, "acknowledged");
  const std::int64_t end = base.value + batches_[number].count;
  partition.kept_end = std::max(partition.kept_end, end);
  if (acks == Acks::all) partition.end = std::max(partition.end, end);
}

bool History::read_number(ByteSpan batch, BatchNumber& number) {
  std::int32_t nth = 0;
  bool same = true;
  auto visited = for_each_record(batch, scratch_, kMaxDecompressed, [&](const RecordView& record) {
    if (!record.value || record.value->size() < kNumberBytes) return same = false;
    const auto found = load_le<BatchNumber>(record.value->data());
    same = same && (nth == 0 || found == number) && load_le<std::int32_t>(record.value->data() + 8) == nth;
    number = found;
    ++nth;
    return same;
  });
  return visited && same && number < batches_.size() && nth == batches_[number].count;
}

// ---- Reads ----

Offset History::fetched(PartitionModel& partition, Offset asked, std::int64_t end_before, const FetchPartResult& answer) {
  Offset at = asked;
  std::int32_t epoch = -1;
  for (const SharedBytes& bytes : answer.batches) {
    ++batches_read_;
    auto header = parse_batch_header(bytes);
    if (!header || header->size_bytes != bytes.size() || !batch_crc_holds(bytes)) {
      if (!partition.damaged)
        violate(fmt::format("a fetch from {} of {} gave a batch at {} that does not hold", asked.value, text(partition),
                            at.value));
      return at;
    }
    const bool first = &bytes == answer.batches.data();
    if (first ? header->base_offset > at || header->next_offset() <= at : header->base_offset != at) {
      violate(fmt::format("a fetch from {} of {} goes on at {} where {} was due", asked.value, text(partition),
                          header->base_offset.value, at.value));
      return at;
    }
    BatchNumber number = 0;
    if (!read_number(bytes, number)) {
      violate(fmt::format("the batch at {} of {} is none that was sent", header->base_offset.value, text(partition)));
      return at;
    }
    learn(partition, number, header->base_offset.value, "read");
    if (header->leader_epoch.value < epoch && !partition.damaged)
      violate(fmt::format("the leader epoch goes back from {} to {} at offset {} of {}", epoch,
                          header->leader_epoch.value, header->base_offset.value, text(partition)));
    epoch = header->leader_epoch.value;
    at = header->next_offset();
    note(number, static_cast<std::uint64_t>(at.value));
  }
  if (at > answer.high_watermark && !answer.batches.empty())
    violate(fmt::format("a fetch of {} gave records up to {}, beyond the high watermark {}", text(partition), at.value,
                        answer.high_watermark.value));
  saw_end(partition, end_before, answer.high_watermark);
  return at;
}

void History::out_of_range(const PartitionModel& partition, Offset asked, std::int64_t end_before,
                           std::int64_t start_now) {
  note(1, static_cast<std::uint64_t>(asked.value));
  if (asked.value >= start_now && asked.value <= end_before)
    violate(fmt::format("offset {} of {} is called out of range; it starts at {} and had an end of {}", asked.value,
                        text(partition), start_now, end_before));
}

void History::saw_end(PartitionModel& partition, std::int64_t end_before, Offset end) {
  note(2, static_cast<std::uint64_t>(end.value));
  if (end.value < end_before)
    violate(fmt::format("the end of {} is {}, but {} was acknowledged or seen before", text(partition), end.value,
                        end_before));
  partition.end = std::max(partition.end, end.value);
  partition.kept_end = std::max(partition.kept_end, partition.end);
}

void History::saw_start(PartitionModel& partition, std::int64_t start_before, Offset start, std::int64_t wall_ms) {
  note(3, static_cast<std::uint64_t>(start.value));
  if (start.value < start_before)
    violate(fmt::format("the start of {} goes back from {} to {}", text(partition), start_before, start.value));
  if (start.value <= partition.start) return;
  partition.end = std::max(partition.end, start.value);  // what was there to be deleted was readable
  partition.kept_end = std::max(partition.kept_end, partition.end);
  const std::int64_t deleted_to = std::max(partition.start, partition.delete_asked);
  if (start.value <= deleted_to || partition.deletes_to_end > 0) {
    partition.start = start.value;
    return;
  }
  const TopicSettings& settings = partition.topic->settings;
  if (partition.topic->keeps_all())
    violate(fmt::format("the start of {} is {}, though it keeps everything from {} on", text(partition), start.value,
                        deleted_to));
  if (settings.retention_ms >= 0 && settings.retention_bytes < 0)
    for (auto at = partition.known.lower_bound(deleted_to); at != partition.known.end() && at->first < start.value; ++at)
      if (batches_[at->second].timestamp_ms > wall_ms - settings.retention_ms)
        violate(fmt::format("retention cut {} to {}, but offset {} is {} ms old and {} ms are kept", text(partition),
                            start.value, at->first, wall_ms - batches_[at->second].timestamp_ms, settings.retention_ms));
  partition.start = start.value;
}

void History::life_began(PartitionModel& partition, Offset start, Offset end) {
  note(9, static_cast<std::uint64_t>(start.value));
  if (start != end || start.value < partition.kept_end)
    violate(fmt::format("a life of {} begins with offsets {} to {}; {} was given out before", text(partition),
                        start.value, end.value, partition.kept_end));
  partition.life_start = partition.start = partition.end = partition.kept_end = start.value;
}

void History::saw_epoch(PartitionModel& partition, LeaderEpoch epoch) {
  note(4, static_cast<std::uint64_t>(epoch.value));
  if (partition.topic->phase != TopicModel::Phase::live) return;  // a late answer
  auto& [id, last] = epochs_.try_emplace({partition.topic->name, partition.id.index.value}, partition.id.topic, -1)
                         .first->second;
  if (id == partition.id.topic ? epoch.value < last : epoch.value <= last)
    violate(fmt::format("the leader epoch of {} is {} after {}{}", text(partition), epoch.value, last,
                        id == partition.id.topic ? "" : " of its predecessor of this name"));
  id = partition.id.topic;
  last = std::max(last, epoch.value);
  partition.epoch = last;
}

void History::found_time(const PartitionModel& partition, std::int64_t start_now, std::int64_t end_before,
                         std::int64_t asked_ms, Offset found, std::int64_t found_ms) {
  note(5, static_cast<std::uint64_t>(found.value));
  if (found.value >= 0 && found_ms < asked_ms)
    violate(fmt::format("time {} of {} was found at offset {} of time {}", asked_ms, text(partition), found.value,
                        found_ms));
  const std::int64_t before = found.value >= 0 ? found.value : end_before;
  for (auto at = partition.known.lower_bound(start_now); at != partition.known.end() && at->first < before; ++at)
    if (batches_[at->second].timestamp_ms >= asked_ms && at->first < before)
      return violate(fmt::format("time {} of {} was answered with offset {}, but {} has time {}", asked_ms,
                                 text(partition), found.value, at->first, batches_[at->second].timestamp_ms));
}

// ---- Names and ids ----

TopicModel& History::topic_live(const TopicInfo& info) {
  const auto [at, is_new] = topics_.try_emplace(info.id);
  TopicModel& topic = at->second;
  if (!is_new) {
    violate(fmt::format("topic '{}' was made with the id of '{}'", info.name, topic.name));
    return topic;
  }
  topic.name = info.name;
  topic.id = info.id;
  topic.settings = info.settings;
  topic.max_message_bytes = {info.settings.max_message_bytes};
  topic_grew(topic, static_cast<std::int32_t>(info.partitions.size()));
  return topic;
}

void History::topic_grew(TopicModel& topic, std::int32_t partitions) {
  for (; topic.partitions < partitions; ++topic.partitions) {
    const PartitionId id{topic.id, PartitionIndex(topic.partitions)};
    PartitionModel& model = partitions_[id];
    model.topic = &topic;
    model.id = id;
  }
  topic.asked_partitions = std::max(topic.asked_partitions, topic.partitions);
  note(6, static_cast<std::uint64_t>(topic.partitions));
}

void History::topic_gone(const TopicId& id) {
  topics_.at(id).phase = TopicModel::Phase::gone;
  note(7);
}

void History::saw_view(const ClusterView& view) {
  for (const auto& [name, info] : view.topics()) {
    const auto known = topics_.find(info.id);
    if (known != topics_.end() && known->second.phase == TopicModel::Phase::gone)
      violate(fmt::format("topic '{}' is back after it was deleted", name));
  }
  for (const auto& [id, topic] : topics_) {
    if (topic.phase != TopicModel::Phase::live) continue;
    const TopicInfo* const info = view.find(id);
    if (info == nullptr || info->phase != TopicPhase::live || info->name != topic.name)
      violate(fmt::format("topic '{}' is not there any more", topic.name));
  }
}

void History::producer_id_given(ProducerId id) {
  note(8, static_cast<std::uint64_t>(id.value));
  if (!producer_ids_.insert(id.value).second) violate(fmt::format("producer id {} was given twice", id.value));
}

std::vector<TopicModel*> History::live_topics() {
  std::vector<TopicModel*> live;
  for (auto& [id, topic] : topics_)
    if (topic.phase == TopicModel::Phase::live) live.push_back(&topic);
  return live;
}

PartitionModel& History::partition(const TopicModel& topic, std::int32_t index) {
  return partitions_.at({topic.id, PartitionIndex(index)});
}

PartitionModel* History::find(const PartitionId& id) {
  const auto at = partitions_.find(id);
  return at == partitions_.end() ? nullptr : &at->second;
}

}  // namespace sluice::broker::sim
