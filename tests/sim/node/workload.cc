#include "tests/sim/node/workload.h"

#include <fmt/core.h>

#include <algorithm>

#include "tests/sim/node/topic_changes.h"

namespace sluice::broker::sim {
namespace {

constexpr std::size_t kStreams = 6;
constexpr std::size_t kTails = 3;
constexpr std::size_t kMaxTopics = 4;
constexpr std::size_t kNames = 6;
constexpr std::size_t kMaxWindow = 5;  // what an idempotent producer may have under way
constexpr Nanos kProbeEvery = std::chrono::milliseconds(4);
constexpr Nanos kTopicsEvery = std::chrono::milliseconds(40);
constexpr Nanos kViewEvery = std::chrono::milliseconds(20);
constexpr Nanos kBackOff = std::chrono::milliseconds(10);
/// After it leads everywhere, the node's shards still tell each other so.
constexpr Nanos kSettle = std::chrono::milliseconds(5);

}  // namespace

Workload::Workload(SimScheduler& scheduler, History& history, std::uint64_t seed)
    : scheduler_(scheduler), history_(history), random_(seed) {
  streams_.resize(kStreams);
  for (std::size_t nth = 0; nth < kStreams; ++nth) {
    streams_[nth].nth = nth;
    streams_[nth].idempotent = nth % 3 != 2;
    streams_[nth].acks = nth % 3 == 1 ? Acks::leader : Acks::all;
  }
  tails_.resize(kTails);
  for (std::size_t nth = 0; nth < kTails; ++nth) tails_[nth].nth = nth;
}

/// Runs in this life of the node only.
template <class F>
void Workload::after(Nanos delay, F run) {
  scheduler_.schedule_after(delay, 0, [this, life = life_number_, run = std::move(run)]() mutable {
    if (life == life_number_ && up() && history_.violation().empty()) run();
  });
}

Nanos Workload::between(std::int64_t least_us, std::int64_t most_us) {
  return std::chrono::microseconds(least_us + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most_us - least_us))));
}

void Workload::node_up(NodeLife& life) {
  life_ = &life;
  ++life_number_;
  io_errors_ = false;
  for (TopicModel* topic : history_.live_topics()) {
    const TopicInfo* const info = life.api(0).cluster().find(topic->id);
    for (std::int32_t index = 0; topic->in_memory() && info != nullptr && index < topic->partitions; ++index) {
      PartitionModel& model = history_.partition(*topic, index);
      Partition* const there = life.replica(info->partitions[static_cast<std::size_t>(index)].group).find(model.id);
      if (there != nullptr) history_.life_began(model, there->state.start_offset(), there->state.end_offset());
    }
  }
  for (Stream& stream : streams_) {
    stream.shard = static_cast<std::uint32_t>(random_.below(life.shard_count()));
    stream.not_before = SteadyTime(0);
    after(kSettle + between(0, 3'000), [this, &stream] { stream_step(stream); });
  }
  for (Tail& tail : tails_) after(kSettle + between(0, 3'000), [this, &tail] { tail_step(tail); });
  after(kSettle, [this] { probe_step(); });
  after(kSettle, [this] { topics_step(); });
  after(kSettle, [this] { view_step(); });
}

void Workload::node_down() {
  life_ = nullptr;
  ++life_number_;
  readers_of_all_ = 0;
  calls_ = 0;
  for (Stream& stream : streams_) {
    stream.asking_id = false;
    stream.resend = true;
    for (Pending& pending : stream.window) pending.under_way = 0;
    if (!stream.idempotent) stream.window.clear();  // of unknown outcome for ever
    if (const PartitionModel* const model = history_.find(stream.partition); model != nullptr && model->topic->in_memory()) {
      // Nobody remembers its producer: it begins anew.
      stream.window.clear();
      stream.id.reset();
      stream.known = stream.resend = false;
    }
  }
  for (Tail& tail : tails_) tail.under_way = false;
  if (topic_) topic_->under_way = false;
}

bool Workload::settled(std::string& why) const {
  for (const Stream& stream : streams_) {
    const PartitionModel* const model = history_.find(stream.partition);
    if (stream.window.empty() || model == nullptr || model->damaged || model->topic->phase != TopicModel::Phase::live) continue;
    why = fmt::format("{} batches of stream {} to {} are not acknowledged", stream.window.size(), stream.nth,
                      stream.partition.text());
    return false;
  }
  if (calls_ > 0) {
    why = fmt::format("{} requests were never answered", calls_);
    return false;
  }
  if (topic_) {
    why = fmt::format("topic '{}' is not {}", topic_->name, topic_->deleting ? "deleted" : "made");
    return false;
  }
  return true;
}

std::optional<PartitionId> Workload::random_partition() {
  const auto live = history_.live_topics();
  if (live.empty()) return std::nullopt;
  const TopicModel& topic = *live[random_.below(live.size())];
  return PartitionId{topic.id, PartitionIndex(static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(topic.partitions))))};
}

bool Workload::gone(const PartitionId& id) {
  const PartitionModel* const model = history_.find(id);
  return model == nullptr || model->topic->phase != TopicModel::Phase::live;
}

std::int64_t Workload::start_now(const PartitionId& id) {
  const TopicInfo* const info = life_->api(0).cluster().find(id.topic);
  if (info == nullptr) return 0;
  Partition* const partition = life_->replica(info->partitions[static_cast<std::size_t>(id.index.value)].group).find(id);
  return partition == nullptr ? 0 : partition->state.start_offset().value;
}

/// An error that a client of a healthy partition must not meet.
void Workload::may_fail(const PartitionModel& partition, const Error& error, const char* what) {
  history_.note(20, static_cast<std::uint64_t>(error.code));
  const bool lost = error.code == Errc::unknown_topic || error.code == Errc::unknown_topic_id;
  const bool rotten = error.code == Errc::io_error || error.code == Errc::corrupt || error.code == Errc::malformed ||
                      error.code == Errc::internal || error.code == Errc::not_found;
  if ((lost && !gone(partition.id)) || (rotten && !partition.damaged && !io_errors_ && !life_->fatal()))
    history_.violate(fmt::format("{} of {} of live topic '{}' was answered {}: {}", what, partition.id.index.value,
                                 partition.topic->name, errc_name(error.code), error.message));
}

// ---- Producers ----

void Workload::stream_step(Stream& stream) {
  after(between(300, 12'000), [this, &stream] { stream_step(stream); });
  while (!stream.window.empty() && stream.window.front().acknowledged) stream.window.pop_front();
  if (gone(stream.partition)) {
    stream.window.clear();
    const auto next = winding_down_ ? std::nullopt : random_partition();
    if (!next) return;
    stream.partition = *next;
    stream.next_sequence = 0;
    stream.id.reset();
    stream.known = false;
    stream.resend = false;
  }
  if (scheduler_.now() < stream.not_before) return;
  if (stream.idempotent && !stream.id) return ask_id(stream);
  if (stream.resend) {
    for (const Pending& pending : stream.window)
      if (pending.under_way > 0) return;
    stream.resend = false;
    for (Pending& pending : stream.window)
      if (!pending.acknowledged) send(stream, pending);
    return;
  }
  if (stream.idempotent && !stream.window.empty() && random_.one_in(25)) {
    // The client did not see an answer in time: the same batch once more, while the first is still under way.
    Pending& again = stream.window[random_.below(stream.window.size())];
    if (!again.acknowledged) return send(stream, again);
  }
  const std::size_t burst = 1 + random_.below(3);
  const std::size_t most = stream.known || !stream.idempotent ? kMaxWindow : 1;
  for (std::size_t i = 0; i < burst && stream.window.size() < most && !winding_down_; ++i) make_batch(stream);
}

void Workload::ask_id(Stream& stream) {
  if (std::exchange(stream.asking_id, true)) return;
  ++calls_;
  any_api().init_producer_id(std::nullopt, Millis(1000), [this, life = life_number_, &stream](Result<ProducerIdentity> given) {
    if (life != life_number_) return;
    --calls_;
    stream.asking_id = false;
    if (!given) return;
    history_.producer_id_given(given->id);
    stream.id = given->id;
    stream.next_sequence = 0;
  });
}

void Workload::make_batch(Stream& stream) {
  BatchBuilder::Options options;
  const auto count = static_cast<std::int32_t>(1 + random_.below(5));
  if (stream.idempotent) {
    options.producer_id = *stream.id;
    options.producer_epoch = 0;
    options.base_sequence = stream.next_sequence;
    stream.next_sequence += count;
  }
  std::size_t bytes = 20 + random_.below(400);
  if (random_.one_in(8)) bytes = 2'000 + random_.below(8'000);
  if (random_.one_in(150)) bytes = 60'000;
  Pending pending;
  pending.bytes = SharedBytes::take(
      history_.make_batch(*history_.find(stream.partition), options, count, bytes, wall().count(), pending.number));
  stream.window.push_back(std::move(pending));
  send(stream, stream.window.back());
}

void Workload::send(Stream& stream, Pending& pending) {
  ++pending.under_way;
  const auto head = std::ranges::find_if(stream.window, [](const Pending& p) { return !p.acknowledged; });
  const bool is_head = head->number == pending.number;
  ProduceRequest request;
  request.acks = stream.acks;
  request.timeout = Millis(300 + random_.below(3000));
  request.parts.push_back({{"", stream.partition.topic}, stream.partition.index, pending.bytes});
  ++calls_;
  life_->api(stream.shard).produce(std::move(request), [this, life = life_number_, &stream, partition = stream.partition, acks = stream.acks, is_head,
                                                        number = pending.number](std::vector<ProducePartResult> results) {
    if (life != life_number_) return;
    --calls_;
    PartitionModel& model = *history_.find(partition);
    if (!results[0].error) {
      history_.acknowledged(model, number, results[0].base_offset, acks);
    } else {
      may_fail(model, *results[0].error, "produce");
    }
    if (stream.partition == partition) produced(stream, number, is_head, results[0]);
  });
}

void Workload::produced(Stream& stream, BatchNumber number, bool was_head, const ProducePartResult& result) {
  const auto pending = std::ranges::find_if(stream.window, [number](const Pending& p) { return p.number == number; });
  if (pending == stream.window.end()) return;  // acknowledged by another attempt
  if (pending->under_way > 0) --pending->under_way;
  if (!result.error) {
    pending->acknowledged = stream.known = true;
    return;
  }
  if (pending->acknowledged) return;
  if (stream.idempotent && was_head &&
      (result.error->code == Errc::out_of_order_sequence || result.error->code == Errc::invalid_producer_epoch ||
       result.error->code == Errc::duplicate_sequence))
    history_.violate(fmt::format("the first unacknowledged batch {} of producer {} was answered {}: {}", number,
                                 stream.id->value, errc_name(result.error->code), result.error->message));
  if (!stream.idempotent) {
    stream.window.erase(pending);
    return;
  }
  stream.resend = true;
  if (result.error->code != Errc::out_of_order_sequence) {
    stream.not_before = scheduler_.now() + kBackOff;
    stream.shard = static_cast<std::uint32_t>(random_.below(life_->shard_count()));
  }
}

// ---- Readers ----

void Workload::tail_step(Tail& tail) {
  if (winding_down_) return;
  if (tail.partition && (gone(*tail.partition) || random_.one_in(300))) tail.partition.reset();
  if (!tail.partition) {
    tail.partition = random_partition();
    if (!tail.partition) return after(between(1'000, 20'000), [this, &tail] { tail_step(tail); });
    tail.position = Offset(history_.find(*tail.partition)->start);
  }
  const PartitionId id = *tail.partition;
  FetchRequest request;
  request.max_wait = Millis(random_.below(40));
  FetchPart part;
  part.topic = {"", id.topic};
  part.partition = id.index;
  part.offset = tail.position;
  part.max_bytes = 1 + random_.below(1U << (8 + random_.below(11)));
  request.max_bytes = random_.one_in(4) ? 1 + random_.below(100'000) : 50U << 20;
  request.parts.push_back(std::move(part));
  const PartitionModel& model = *history_.find(id);
  ++calls_;
  any_api().fetch(std::move(request), [this, life = life_number_, &tail, id, end_before = model.end,
                                       start_before = model.start](std::vector<FetchPartResult> results) {
    if (life != life_number_) return;
    --calls_;
    PartitionModel& read = *history_.find(id);
    if (results[0].error) {
      may_fail(read, *results[0].error, "fetch");
      if (results[0].error->code == Errc::offset_out_of_range) {
        const std::int64_t start = start_now(id);
        history_.out_of_range(read, tail.position, end_before, start);
        tail.position = std::max(tail.position, Offset(start));
      }
    } else {
      history_.saw_start(read, start_before, results[0].log_start_offset, wall().count());
      tail.position = history_.fetched(read, tail.position, end_before, results[0]);
    }
    after(results[0].error ? kBackOff : between(100, 2'000), [this, &tail] { tail_step(tail); });
  });
}

void Workload::probe_step() {
  after(kProbeEvery, [this] { probe_step(); });
  if (winding_down_) return;
  const auto id = random_partition();
  if (!id) return;
  if (random_.one_in(2))
    fetch_random(*id);
  else
    list_offsets(*id);
}

void Workload::fetch_random(const PartitionId& id) {
  const PartitionModel& model = *history_.find(id);
  FetchRequest request;
  request.max_wait = Millis(0);
  FetchPart part;
  part.topic = {"", id.topic};
  part.partition = id.index;
  part.offset = Offset(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(model.end) + 5)));
  part.max_bytes = 1 + random_.below(100'000);
  const Offset asked = part.offset;
  request.parts.push_back(std::move(part));
  ++calls_;
  any_api().fetch(std::move(request), [this, life = life_number_, id, asked, end_before = model.end,
                                       start_before = model.start](std::vector<FetchPartResult> results) {
    if (life != life_number_) return;
    --calls_;
    PartitionModel& read = *history_.find(id);
    if (!results[0].error) {
      history_.saw_start(read, start_before, results[0].log_start_offset, wall().count());
      history_.fetched(read, asked, end_before, results[0]);
      return;
    }
    may_fail(read, *results[0].error, "fetch");
    if (results[0].error->code == Errc::offset_out_of_range) history_.out_of_range(read, asked, end_before, start_now(id));
  });
}

void Workload::list_offsets(const PartitionId& id) {
  const PartitionModel& model = *history_.find(id);
  ListOffsetsPart part;
  part.topic = {"", id.topic};
  part.partition = id.index;
  const std::uint64_t kind = random_.below(3);
  part.query = kind == 0 ? OffsetQuery::earliest : kind == 1 ? OffsetQuery::latest : OffsetQuery::at_time;
  part.timestamp_ms = wall().count() - static_cast<std::int64_t>(random_.below(1'500));
  ++calls_;
  any_api().list_offsets({part}, Isolation::read_uncommitted, Millis(1000),
                         [this, life = life_number_, id, query = part.query, asked_ms = part.timestamp_ms, end_before = model.end,
                          start_before = model.start](std::vector<ListOffsetsResult> results) {
                           if (life != life_number_) return;
                           --calls_;
                           PartitionModel& seen = *history_.find(id);
                           if (results[0].error) return may_fail(seen, *results[0].error, "list_offsets");
                           if (query == OffsetQuery::latest) history_.saw_epoch(seen, results[0].leader_epoch);
                           if (query == OffsetQuery::earliest)
                             history_.saw_start(seen, start_before, results[0].offset, wall().count());
                           else if (query == OffsetQuery::latest)
                             history_.saw_end(seen, end_before, results[0].offset);
                           else if (!seen.damaged)
                             history_.found_time(seen, start_now(id), end_before, asked_ms, results[0].offset,
                                                 results[0].timestamp_ms);
                         });
}

void Workload::read_all() {
  for (TopicModel* topic : history_.live_topics()) {
    for (std::int32_t index = 0; index < topic->partitions; ++index) {
      const PartitionModel& model = history_.partition(*topic, index);
      const PartitionId id = model.id;
      ListOffsetsPart start{{"", id.topic}, id.index, OffsetQuery::earliest, 0, std::nullopt};
      ListOffsetsPart end = start;
      end.query = OffsetQuery::latest;
      ++readers_of_all_;
      ++calls_;
      any_api().list_offsets({start, end}, Isolation::read_uncommitted, Millis(1000),
                             [this, life = life_number_, id, start_before = model.start](std::vector<ListOffsetsResult> results) {
                               if (life != life_number_) return;
                               --calls_;
                               PartitionModel& seen = *history_.find(id);
                               for (const ListOffsetsResult& result : results) {
                                 if (!result.error) continue;
                                 may_fail(seen, *result.error, "the last list_offsets");
                                 --readers_of_all_;
                                 return;
                               }
                               history_.saw_start(seen, start_before, results[0].offset, wall().count());
                               history_.saw_last_end(seen, results[1].offset);
                               history_.saw_epoch(seen, results[1].leader_epoch);
                               read_on(id, results[0].offset, results[1].offset);
                             });
    }
  }
}

void Workload::read_on(const PartitionId& id, Offset from, Offset until) {
  if (from >= until || gone(id)) {
    --readers_of_all_;
    return;
  }
  FetchRequest request;
  request.max_wait = Millis(0);
  request.parts.push_back({{"", id.topic}, id.index, from, 1U << 20, std::nullopt, std::nullopt});
  const std::int64_t end_before = history_.find(id)->end;
  ++calls_;
  any_api().fetch(std::move(request), [this, life = life_number_, id, from, until,
                                       end_before](std::vector<FetchPartResult> results) {
    if (life != life_number_) return;
    --calls_;
    PartitionModel& read = *history_.find(id);
    if (results[0].error) {
      may_fail(read, *results[0].error, "the last fetch");
      const std::int64_t start = start_now(id);
      if (results[0].error->code == Errc::offset_out_of_range && start > from.value && !read.topic->keeps_all())
        return read_on(id, Offset(start), until);  // retention came between
      if (results[0].error->code == Errc::offset_out_of_range) history_.out_of_range(read, from, end_before, start);
      --readers_of_all_;
      return;
    }
    const Offset next = history_.fetched(read, from, end_before, results[0]);
    if (next > from) return read_on(id, next, until);
    if (!read.damaged) history_.violate(fmt::format("offset {} of {} can't be read: the fetch is empty, its end is {}", from.value,
                                                    id.text(), until.value));
    --readers_of_all_;
  });
}

// ---- Topics ----

void Workload::view_step() {
  after(kViewEvery, [this] { view_step(); });
  if (life_->fatal()) return;
  for (std::uint32_t shard = 0; shard < life_->shard_count(); ++shard) {
    ShardServices& api = life_->api(shard);
    history_.saw_view(api.cluster());
    for (TopicModel* topic : history_.live_topics())
      for (std::int32_t index = 0; index < topic->partitions; ++index) {
        const TopicInfo* const info = api.cluster().find(topic->id);
        if (info == nullptr) continue;
        if (auto epoch = api.leader_epoch(*info, PartitionIndex(index)))
          history_.saw_epoch(history_.partition(*topic, index), *epoch);
      }
  }
}

void Workload::topics_step() {
  after(kTopicsEvery, [this] { topics_step(); });
  if (topic_) {
    if (topic_->under_way) return;
    return topic_->deleting ? ask_delete() : create_topic();
  }
  if (winding_down_) return;
  const auto live = history_.live_topics();
  if (live.size() < kMaxTopics && (live.empty() || random_.one_in(2))) {
    PendingTopic wanted;
    do wanted.name = fmt::format("t{}", random_.below(kNames));
    while (std::ranges::any_of(live, [&](const TopicModel* topic) { return topic->name == wanted.name; }));
    wanted.request.name = wanted.name;
    wanted.request.partitions = static_cast<std::int32_t>(1 + random_.below(4));
    wanted.request.settings = {{"segment.bytes", "1048576"}, {"retention.ms", "-1"}};
    if (random_.one_in(3)) wanted.request.settings[1].second = std::to_string(300 + random_.below(1'500));
    if (random_.one_in(5)) wanted.request.settings.push_back({"retention.bytes", std::to_string(40'000 + random_.below(100'000))});
    if (random_.one_in(4)) wanted.request.settings.push_back({"storage", "memory"});
    topic_ = std::move(wanted);
    return create_topic();
  }
  if (live.size() > 1 && random_.one_in(8)) delete_topic(*live[random_.below(live.size())]);
}

void Workload::create_topic() {
  topic_->under_way = true;
  ++calls_;
  any_api().create_topics({topic_->request}, Millis(3000),
                          [this, life = life_number_](const std::vector<CreateTopicResult>& results) {
                            if (life != life_number_) return;
                            --calls_;
                            created(results[0]);
                          });
}

void Workload::created(const CreateTopicResult& result) {
  topic_->under_way = false;
  history_.note(21, result.error ? static_cast<std::uint64_t>(result.error->code) : 0);
  if (!result.error) return adopt(result.topic);
  if (result.error->code != Errc::topic_exists) return;  // asked again
  // Made by an earlier attempt whose answer was lost, and perhaps still on its way.
  const TopicInfo* const info = life_->api(0).cluster().find(topic_->name);
  if (info == nullptr || info->phase != TopicPhase::live) return;
  // Shard 0 is the controller's; the others hear of it at once.
  after(kSettle, [this, topic = *info] { adopt(topic); });
  topic_->under_way = true;
}

void Workload::adopt(const TopicInfo& info) {
  ++topics_made_;
  topic_.reset();
  history_.topic_live(info);
  shrink_segments(*life_, info, random_);
}

void Workload::delete_topic(TopicModel& topic) {
  PendingTopic wanted;
  wanted.name = topic.name;
  wanted.id = topic.id;
  wanted.deleting = true;
  topic.phase = TopicModel::Phase::deleting;
  topic_ = std::move(wanted);
  ask_delete();
}

void Workload::ask_delete() {
  topic_->under_way = true;
  ++calls_;
  any_api().delete_topics({{"", topic_->id}}, Millis(3000),
                          [this, life = life_number_](const std::vector<DeleteTopicResult>& results) {
                            if (life != life_number_) return;
                            --calls_;
                            deleted(results[0]);
                          });
}

void Workload::deleted(const DeleteTopicResult& result) {
  topic_->under_way = false;
  history_.note(22, result.error ? static_cast<std::uint64_t>(result.error->code) : 0);
  if (result.error && result.error->code != Errc::unknown_topic_id) return;  // asked again
  // Unknown: an attempt whose answer was lost has done it. Its row was there until then: History looked.
  history_.topic_gone(topic_->id);
  ++topics_deleted_;
  topic_.reset();
}

}  // namespace sluice::broker::sim
