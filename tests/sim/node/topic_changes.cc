#include "tests/sim/node/topic_changes.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::broker::sim {
namespace {

constexpr Nanos kChangeEvery = std::chrono::milliseconds(30);
constexpr Nanos kDeleteEvery = std::chrono::milliseconds(15);
constexpr Nanos kLookEvery = std::chrono::milliseconds(20);
/// After it leads everywhere, the node's shards still tell each other so.
constexpr Nanos kSettle = std::chrono::milliseconds(5);
constexpr std::int32_t kMostPartitions = 8;
constexpr std::int64_t kFarBeyond = 1'000'000;

}  // namespace

void shrink_segments(NodeLife& life, const TopicInfo& topic, Random& random) {
  const std::uint64_t segment_bytes = kMinRawSegmentBytes << random.below(4);
  for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
    const PartitionId id{topic.id, PartitionIndex(static_cast<std::int32_t>(index))};
    Replica& replica = life.replica(topic.partitions[index].group);
    Partition* const partition = replica.find(id);
    if (partition == nullptr) continue;
    TopicSettings settings = partition->state.settings();  // all others as they are there, be they right or wrong
    settings.segment_bytes = segment_bytes;
    replica.submit(AlterPartitionCommand{id, settings}, [](const Result<std::uint64_t>&) {});
  }
}

TopicChanges::TopicChanges(SimScheduler& scheduler, History& history, std::uint64_t seed)
    : scheduler_(scheduler), history_(history), random_(seed) {}

/// Runs in this life of the node only.
template <class F>
void TopicChanges::after(Nanos delay, F run) {
  scheduler_.schedule_after(delay, 0, [this, life = life_number_, run = std::move(run)]() mutable {
    if (life == life_number_ && up() && history_.violation().empty()) run();
  });
}

void TopicChanges::node_up(NodeLife& life) {
  life_ = &life;
  ++life_number_;
  // Whether those were done can be seen now, and is settled.
  for (const PartitionId& id : to_the_end_) {
    PartitionModel& model = *history_.find(id);
    --model.deletes_to_end;
    const TopicInfo* const info = life.api(0).cluster().find(id.topic);
    if (info == nullptr) continue;
    Partition* const there = life.replica(info->partitions[static_cast<std::size_t>(id.index.value)].group).find(id);
    if (there) model.delete_asked = std::max(model.delete_asked, there->state.start_offset().value);
  }
  to_the_end_.clear();
  after(kSettle, [this] { look_step(); });
  after(kSettle, [this] { change_step(); });
  after(kSettle, [this] { delete_step(); });
}

void TopicChanges::node_down() {
  life_ = nullptr;
  ++life_number_;
  calls_ = 0;
  if (change_) change_->under_way = false;
}

bool TopicChanges::settled(std::string& why) {
  if (change_) {
    why = "a topic is not changed";
    return false;
  }
  if (calls_ > 0) {
    why = fmt::format("{} deletions of records were never answered", calls_);
    return false;
  }
  for (const auto& [name, topic] : life_->api(0).cluster().topics())
    if (!topic.growing.empty() || topic.altering) {
      why = fmt::format("topic '{}' is half changed", name);
      return false;
    }
  return true;
}

TopicModel* TopicChanges::live(const TopicId& id) {
  for (TopicModel* topic : history_.live_topics())
    if (topic->id == id) return topic;
  return nullptr;
}

// ---- What every shard shows ----

void TopicChanges::look_step() {
  after(kLookEvery, [this] { look_step(); });
  look();
}

void TopicChanges::look() {
  if (life_->fatal()) return;
  for (std::uint32_t shard = 0; shard < life_->shard_count(); ++shard)
    for (TopicModel* topic : history_.live_topics())
      if (const TopicInfo* const seen = life_->api(shard).cluster().find(topic->id)) look_at(*topic, *seen);
}

void TopicChanges::look_at(TopicModel& topic, const TopicInfo& seen) {
  const auto shown = static_cast<std::int32_t>(seen.partitions.size());
  if (shown < topic.partitions || shown > topic.asked_partitions)
    history_.violate(fmt::format("topic '{}' shows {} partitions; it was given {}, and at most {} were asked for",
                                 topic.name, shown, topic.partitions, topic.asked_partitions));
  if (!topic.max_message_bytes.contains(seen.settings.max_message_bytes))
    history_.violate(fmt::format("topic '{}' shows a max.message.bytes of {}, which is not what it was given",
                                 topic.name, seen.settings.max_message_bytes));
  for (std::int32_t index = 0; index < shown; ++index) {
    Partition* const there =
        life_->replica(seen.partitions[static_cast<std::size_t>(index)].group).find({seen.id, PartitionIndex(index)});
    if (there == nullptr)
      history_.violate(fmt::format("topic '{}' shows partition {}, which its group does not serve", topic.name, index));
    else if (!topic.max_message_bytes.contains(there->state.settings().max_message_bytes))
      history_.violate(fmt::format("partition {} of '{}' has a max.message.bytes of {}, which is not what it was given",
                                   index, topic.name, there->state.settings().max_message_bytes));
  }
}

// ---- More partitions, other settings ----

void TopicChanges::change_step() {
  after(kChangeEvery, [this] { change_step(); });
  if (!change_ && !winding_down_ && random_.one_in(4)) choose_change();
  if (change_ && !change_->under_way) ask();
}

void TopicChanges::choose_change() {
  const auto topics = history_.live_topics();
  if (topics.empty()) return;
  TopicModel& topic = *topics[random_.below(topics.size())];
  Change change;
  change.topic = topic.id;
  if (random_.one_in(2) && topic.partitions < kMostPartitions) {
    change.partitions = topic.partitions + static_cast<std::int32_t>(1 + random_.below(2));
    topic.asked_partitions = std::max(topic.asked_partitions, change.partitions);
  } else {
    change.max_message_bytes = static_cast<std::uint32_t>(400'000 + random_.below(600'000));
    topic.max_message_bytes.insert(change.max_message_bytes);
  }
  change_ = change;
}

void TopicChanges::ask() {
  TopicModel* const topic = live(change_->topic);
  if (topic == nullptr) return change_.reset();
  change_->under_way = true;
  const auto done = [this, life = life_number_](const std::vector<Result<void>>& results) {
    if (life == life_number_) answered(results[0]);
  };
  if (change_->partitions > 0)
    any_api().grow_topics({{topic->name, change_->partitions, std::nullopt, false}}, Millis(3000), done);
  else
    any_api().alter_topics(
        {{topic->name,
          {{"max.message.bytes", TopicSettingChange::Operation::set, std::to_string(change_->max_message_bytes)}},
          false,
          false}},
        Millis(3000), done);
}

void TopicChanges::answered(const Result<void>& result) {
  change_->under_way = false;
  history_.note(40, result ? 0 : static_cast<std::uint64_t>(result.error().code));
  TopicModel* const topic = live(change_->topic);
  if (topic == nullptr) return change_.reset();
  if (result) return changed(*topic);
  if (result.error().code == Errc::invalid_partitions) {
    // An attempt whose answer was lost has done it.
    const TopicInfo* const info = life_->api(0).cluster().find(topic->id);
    if (info != nullptr && static_cast<std::int32_t>(info->partitions.size()) >= change_->partitions)
      return changed(*topic);
  }
  if (result.error().code == Errc::invalid_partitions || result.error().code == Errc::config ||
      result.error().code == Errc::unknown_topic || result.error().code == Errc::invalid_argument)
    history_.violate(fmt::format("a change of live topic '{}' was answered {}: {}", topic->name,
                                 errc_name(result.error().code), result.error().message));
}

void TopicChanges::changed(TopicModel& topic) {
  if (change_->partitions > 0) {
    ++grown_;
    history_.topic_grew(topic, change_->partitions);
  } else {
    ++altered_;
    topic.max_message_bytes = {change_->max_message_bytes};
  }
  change_.reset();
  look();  // it holds from the very answer on
  // The change brought back the segments' own size.
  if (const TopicInfo* const info = life_->api(0).cluster().find(topic.id)) shrink_segments(*life_, *info, random_);
}

// ---- Less records ----

void TopicChanges::delete_step() {
  after(kDeleteEvery, [this] { delete_step(); });
  const auto topics = history_.live_topics();
  if (winding_down_ || topics.empty() || !random_.one_in(3)) return;
  const TopicModel& topic = *topics[random_.below(topics.size())];
  const PartitionModel& model =
      history_.partition(topic, static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(topic.partitions))));
  if (random_.one_in(12)) return delete_records(model.id, std::nullopt);
  if (random_.one_in(12)) return delete_records(model.id, Offset(model.end + kFarBeyond));
  const std::int64_t readable = std::max<std::int64_t>(1, model.end - model.start + 1);
  delete_records(model.id,
                 Offset(model.start + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(readable)))));
}

void TopicChanges::delete_records(const PartitionId& id, std::optional<Offset> before) {
  PartitionModel& model = *history_.find(id);
  if (!before) {
    ++model.deletes_to_end;
    to_the_end_.push_back(id);
  } else if (before->value <= model.end) {
    model.delete_asked = std::max(model.delete_asked, before->value);
  }
  ++calls_;
  any_api().delete_records({{{"", id.topic}, id.index, before}}, Millis(3000),
                           [this, life = life_number_, id, before, start = model.start,
                            end = model.end](const std::vector<DeleteRecordsResult>& results) {
                             if (life != life_number_) return;
                             --calls_;
                             deleted(id, before, start, end, results[0]);
                           });
}

void TopicChanges::deleted(const PartitionId& id, std::optional<Offset> before, std::int64_t start_before,
                           std::int64_t end_before, const DeleteRecordsResult& result) {
  PartitionModel& model = *history_.find(id);
  history_.note(41, result.error ? static_cast<std::uint64_t>(result.error->code) : 0);
  const bool out_of_range = result.error && result.error->code == Errc::offset_out_of_range;
  const bool beyond = before && before->value > end_before;
  if (out_of_range != beyond && (!result.error || out_of_range))
    history_.violate(fmt::format("deleting records of {} before {} was {}; its end was {}", id.text(),
                                 before ? before->value : -1, out_of_range ? "out of range" : "done", end_before));
  if (!result.error) {
    ++deletions_;
    if (result.log_start_offset.value < (before ? before->value : end_before))
      history_.violate(fmt::format("records of {} before {} were deleted, and its start is {}", id.text(),
                                   before ? before->value : end_before, result.log_start_offset.value));
    if (!before) model.delete_asked = std::max(model.delete_asked, result.log_start_offset.value);
    history_.saw_start(model, start_before, result.log_start_offset,
                       1'700'000'000'000 + std::chrono::duration_cast<Millis>(scheduler_.now()).count());
  }
  if (before) return;
  // Refused, or done and told: what it may take is known. Where its outcome is open it stays so until the next life.
  const bool open = result.error && result.error->code != Errc::not_ready && result.error->code != Errc::not_leader &&
                    result.error->code != Errc::unknown_topic_id;
  if (open) return;
  --model.deletes_to_end;
  to_the_end_.erase(std::ranges::find(to_the_end_, id));
}

}  // namespace sluice::broker::sim
