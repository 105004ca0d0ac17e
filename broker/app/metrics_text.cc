#include "broker/app/metrics_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ostream>

#include "broker/app/piece_buffer.h"
#include "broker/app/version.h"

namespace sluice::broker {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr MetricType kCounter = MetricType::Counter;
constexpr MetricType kGauge = MetricType::Gauge;

// Histograms are told at the powers of two from 8 microseconds to 34 seconds.
constexpr unsigned kFirstBound = 13;
constexpr unsigned kLastBound = 35;

struct Source {
  const NodeSnapshot& node;
  const ProcessStats& process;
};

double seconds(std::uint64_t nanos) { return static_cast<double>(nanos) / 1e9; }
std::string shard_label(const ShardSnapshot& shard) { return std::to_string(shard.id.value); }

void set(ClientMetric& metric, MetricType type, double value) {
  if (type == kCounter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
}
void add(MetricFamily& family, std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  set(metric, family.type, value);
}

/// One number of each shard.
struct ShardMetric {
  const char* name;
  const char* help;
  MetricType type;
  double (*value)(const ShardSnapshot&);
};
/// One number of the node.
struct NodeMetric {
  const char* name;
  const char* help;
  MetricType type;
  double (*value)(const Source&);
};
/// The distribution of times on each shard.
struct TimeMetric {
  const char* name;
  const char* help;
  const Histogram& (*times)(const ShardSnapshot&);
};

#define SLUICE_OF_SHARD(expression) [](const ShardSnapshot& s) -> double { return static_cast<double>(expression); }
#define SLUICE_OF_NODE(expression) [](const Source& n) -> double { return static_cast<double>(expression); }
#define SLUICE_TIMES(expression) [](const ShardSnapshot& s) -> const Histogram& { return expression; }

constexpr std::array kNodeMetrics{
    NodeMetric{"process_cpu_seconds_total", "CPU time, user and system.", kCounter,
               SLUICE_OF_NODE(n.process.cpu_seconds)},
    NodeMetric{"process_resident_memory_bytes", "Resident memory.", kGauge, SLUICE_OF_NODE(n.process.resident_bytes)},
    NodeMetric{"process_start_time_seconds", "When the process began, since 1970.", kGauge,
               SLUICE_OF_NODE(n.process.start_time_seconds)},
    NodeMetric{"sluice_shards", "Shards of the node.", kGauge, SLUICE_OF_NODE(n.node.shards.size())},
    NodeMetric{"sluice_topics", "Topics of clients.", kGauge, SLUICE_OF_NODE(n.node.topics)},
    NodeMetric{"sluice_partitions", "Partitions of clients' topics.", kGauge, SLUICE_OF_NODE(n.node.partitions)},
    NodeMetric{"sluice_producers", "Idempotent producers that are remembered.", kGauge,
               SLUICE_OF_NODE(n.node.producers)},
    NodeMetric{"sluice_producers_limit", "Idempotent producers beyond which new ones wait.", kGauge,
               SLUICE_OF_NODE(n.node.max_producers)},
};

constexpr std::array kShardMetrics{
    // Connections.
    ShardMetric{"sluice_kafka_connections", "Open connections of Kafka clients.", kGauge,
                SLUICE_OF_SHARD(s.connections)},
    ShardMetric{"sluice_kafka_connections_opened_total", "Connections that Kafka clients opened.", kCounter,
                SLUICE_OF_SHARD(s.kafka.connections_opened)},
    ShardMetric{"sluice_kafka_connections_failed_total",
                "Connections that the broker closed for what the client sent, or did not send or take in time.",
                kCounter, SLUICE_OF_SHARD(s.kafka.connections_failed)},
    ShardMetric{"sluice_kafka_connections_refused_total", "Connections beyond the limit, closed as they came.",
                kCounter, SLUICE_OF_SHARD(s.kafka.connections_refused)},
    ShardMetric{"sluice_kafka_received_bytes_total", "Bytes from Kafka clients.", kCounter,
                SLUICE_OF_SHARD(s.kafka.received_bytes)},
    ShardMetric{"sluice_kafka_sent_bytes_total", "Bytes to Kafka clients.", kCounter,
                SLUICE_OF_SHARD(s.kafka.sent_bytes)},
    ShardMetric{"sluice_kafka_fetch_sessions", "Fetch sessions that are kept.", kGauge,
                SLUICE_OF_SHARD(s.fetch_sessions)},
    ShardMetric{"sluice_native_connections", "Open connections of native clients.", kGauge,
                SLUICE_OF_SHARD(s.native_connections)},
    ShardMetric{"sluice_native_connections_opened_total", "Connections that native clients opened.", kCounter,
                SLUICE_OF_SHARD(s.native.connections_opened)},
    ShardMetric{"sluice_native_connections_failed_total",
                "Connections that the broker closed for what the client sent, or did not send or take in time.",
                kCounter, SLUICE_OF_SHARD(s.native.connections_failed)},
    ShardMetric{"sluice_native_connections_refused_total", "Connections beyond the limit, closed as they came.",
                kCounter, SLUICE_OF_SHARD(s.native.connections_refused)},
    ShardMetric{"sluice_native_received_bytes_total", "Bytes from native clients.", kCounter,
                SLUICE_OF_SHARD(s.native.received_bytes)},
    ShardMetric{"sluice_native_sent_bytes_total", "Bytes to native clients.", kCounter,
                SLUICE_OF_SHARD(s.native.sent_bytes)},
    // Records.
    ShardMetric{"sluice_produced_batches_total", "Record batches appended.", kCounter,
                SLUICE_OF_SHARD(s.shard.counters.appended_batches)},
    ShardMetric{"sluice_produced_records_total", "Records appended.", kCounter,
                SLUICE_OF_SHARD(s.shard.counters.appended_records)},
    ShardMetric{"sluice_produced_bytes_total", "Bytes of record batches appended, as they came.", kCounter,
                SLUICE_OF_SHARD(s.shard.counters.appended_bytes)},
    ShardMetric{"sluice_duplicate_batches_total", "Retried batches of idempotent producers that were there already.",
                kCounter, SLUICE_OF_SHARD(s.shard.counters.duplicate_batches)},
    ShardMetric{"sluice_fetched_bytes_total", "Bytes of record batches given to readers.", kCounter,
                SLUICE_OF_SHARD(s.services.fetched_bytes)},
    // Journal and segments.
    ShardMetric{"sluice_journal_flushes_total", "Durable writes to the journal.", kCounter,
                SLUICE_OF_SHARD(s.shard.journal.flushes)},
    ShardMetric{"sluice_journal_written_bytes_total", "Bytes of them.", kCounter,
                SLUICE_OF_SHARD(s.shard.journal.bytes)},
    ShardMetric{"sluice_journal_used_bytes", "Journal files that a checkpoint does not make free yet.", kGauge,
                SLUICE_OF_SHARD(s.shard.journal_used_bytes)},
    ShardMetric{"sluice_journal_capacity_bytes", "What the journal may use.", kGauge,
                SLUICE_OF_SHARD(s.shard.journal_capacity_bytes)},
    ShardMetric{"sluice_checkpoints_total", "Checkpoints of groups.", kCounter,
                SLUICE_OF_SHARD(s.shard.counters.checkpoints)},
    ShardMetric{"sluice_checkpoints_without_space_total", "Checkpoints put off since the disk was full.", kCounter,
                SLUICE_OF_SHARD(s.shard.counters.checkpoints_without_space)},
    ShardMetric{"sluice_spill_writes_total", "Writes to segments.", kCounter,
                SLUICE_OF_SHARD(s.shard.logs.spill_writes)},
    ShardMetric{"sluice_spilled_bytes_total", "Bytes of record batches written to segments.", kCounter,
                SLUICE_OF_SHARD(s.shard.logs.spilled_bytes)},
    ShardMetric{"sluice_segment_reads_total", "Reads of segments, for what memory did not hold.", kCounter,
                SLUICE_OF_SHARD(s.shard.logs.segment_reads)},
    ShardMetric{"sluice_segment_read_bytes_total", "Bytes of them.", kCounter,
                SLUICE_OF_SHARD(s.shard.logs.segment_bytes)},
    ShardMetric{"sluice_open_segment_files", "Open segment files.", kGauge, SLUICE_OF_SHARD(s.shard.logs.open_files)},
    ShardMetric{"sluice_disk_full", "1 while producing is refused for want of disk space.", kGauge,
                SLUICE_OF_SHARD(s.shard.disk_full ? 1 : 0)},
    ShardMetric{"sluice_unspilled_bytes", "Committed data in memory that is not in segments yet.", kGauge,
                SLUICE_OF_SHARD(s.shard.unspilled_bytes)},
    // Groups.
    ShardMetric{"sluice_raft_groups", "Raft groups with a replica here.", kGauge, SLUICE_OF_SHARD(s.shard.groups)},
    ShardMetric{"sluice_raft_groups_led", "Raft groups that are led here and serve.", kGauge,
                SLUICE_OF_SHARD(s.shard.groups_led)},
    ShardMetric{"sluice_raft_partitions", "Partitions of these groups, the broker's own included.", kGauge,
                SLUICE_OF_SHARD(s.shard.partitions)},
    ShardMetric{"sluice_loop_sleeps_total", "How often the shard's loop had nothing to do, and slept.", kCounter,
                SLUICE_OF_SHARD(s.loop.sleeps)},
};

constexpr std::array kTimeMetrics{
    TimeMetric{"sluice_produce_seconds", "From a produce request to its answer.", SLUICE_TIMES(s.services.produce_ns)},
    TimeMetric{"sluice_fetch_read_seconds", "Reading for a fetch request, without waiting for records.",
               SLUICE_TIMES(s.services.fetch_ns)},
    TimeMetric{"sluice_journal_write_seconds", "From the start of a journal write until it is durable.",
               SLUICE_TIMES(s.shard.journal.write_ns)},
    TimeMetric{"sluice_loop_turn_seconds", "Turns of the shard's loop that had work: their sum is its busy time.",
               SLUICE_TIMES(s.loop.turn_ns)},
};

#undef SLUICE_OF_SHARD
#undef SLUICE_OF_NODE
#undef SLUICE_TIMES

MetricFamily build_info(const Source&) {
  MetricFamily family{"sluice_build_info", "Always 1; the version is a label.", kGauge, {}};
  add(family, {{"version", kVersion}}, 1);
  return family;
}

MetricFamily disk_space(const Source& source) {
  MetricFamily family{"sluice_disk_bytes", "The data directory's disk.", kGauge, {}};
  if (!source.node.disk) return family;
  add(family, {{"kind", "free"}}, static_cast<double>(source.node.disk->free_bytes));
  add(family, {{"kind", "total"}}, static_cast<double>(source.node.disk->total_bytes));
  return family;
}

MetricFamily requests(const Source& source) {
  MetricFamily family{"sluice_kafka_requests_total", "Requests of Kafka clients.", kCounter, {}};
  for (const ShardSnapshot& shard : source.node.shards)
    for (std::size_t nth = 0; nth < kafka::kApis.size(); ++nth)
      add(family, {{"shard", shard_label(shard)}, {"api", std::string(kafka::kApis[nth].name)}},
          static_cast<double>(shard.kafka.requests[nth]));
  return family;
}

/// What never happened is left out: there are a hundred codes.
MetricFamily errors(const Source& source) {
  MetricFamily family{"sluice_kafka_errors_total", "Kafka error codes told to clients.", kCounter, {}};
  for (const ShardSnapshot& shard : source.node.shards)
    for (const auto& [key, count] : shard.kafka.errors)
      add(family,
          {{"shard", shard_label(shard)},
           {"api", std::string(kafka::api_info(key.first).name)},
           {"error", std::string(kafka::error_name(key.second))}},
          static_cast<double>(count));
  return family;
}

/// What never happened is left out in these two.
MetricFamily native_frames(const Source& source) {
  MetricFamily family{"sluice_native_frames_total", "Frames from native clients.", kCounter, {}};
  for (const ShardSnapshot& shard : source.node.shards)
    for (std::size_t nth = 0; nth < native::kKinds.size(); ++nth)
      if (shard.native.received[nth] > 0)
        add(family, {{"shard", shard_label(shard)}, {"kind", std::string(native::kKinds[nth].name)}},
            static_cast<double>(shard.native.received[nth]));
  return family;
}
MetricFamily native_errors(const Source& source) {
  MetricFamily family{"sluice_native_errors_total", "Errors told to native clients.", kCounter, {}};
  for (const ShardSnapshot& shard : source.node.shards)
    for (const auto& [code, count] : shard.native.errors)
      add(family, {{"shard", shard_label(shard)}, {"error", std::string(native::error_name(code))}},
          static_cast<double>(count));
  return family;
}

MetricFamily memory(const Source& source) {
  MetricFamily family{"sluice_memory_bytes", "Memory in use, by what for.", kGauge, {}};
  for (const ShardSnapshot& shard : source.node.shards) {
    const auto kind = [&](const char* name, std::uint64_t bytes) {
      add(family, {{"shard", shard_label(shard)}, {"kind", name}}, static_cast<double>(bytes));
    };
    kind("journal_buffers", shard.shard.journal_memory_bytes);
    kind("tails", shard.shard.logs.tail_bytes);
    kind("memory_topics", shard.shard.memory_topic_bytes);
    kind("queued_appends", shard.shard.queued_bytes);
    kind("requests", shard.request_bytes);
    kind("replies", shard.reply_bytes);
  }
  return family;
}

MetricFamily times(const TimeMetric& metric, const NodeSnapshot& node) {
  MetricFamily family{metric.name, metric.help, MetricType::Histogram, {}};
  for (const ShardSnapshot& shard : node.shards) {
    const Histogram& histogram = metric.times(shard);
    ClientMetric& told = family.metric.emplace_back();
    told.label.push_back({"shard", shard_label(shard)});
    told.histogram.sample_count = histogram.count();
    told.histogram.sample_sum = seconds(histogram.sum());
    for (unsigned bit = kFirstBound; bit <= kLastBound; ++bit)
      told.histogram.bucket.push_back({histogram.count_to_power(bit), seconds(std::uint64_t{1} << bit)});
  }
  return family;
}

constexpr std::array<MetricFamily (*)(const Source&), 7> kOthers{build_info,    disk_space,    requests, errors,
                                                                 native_frames, native_errors, memory};

MetricFamily make_family(std::size_t nth, const Source& source) {
  if (nth < kOthers.size()) return kOthers[nth](source);
  nth -= kOthers.size();
  if (nth < kNodeMetrics.size()) {
    const NodeMetric& metric = kNodeMetrics[nth];
    MetricFamily family{metric.name, metric.help, metric.type, {}};
    add(family, {}, metric.value(source));
    return family;
  }
  nth -= kNodeMetrics.size();
  if (nth < kShardMetrics.size()) {
    const ShardMetric& metric = kShardMetrics[nth];
    MetricFamily family{metric.name, metric.help, metric.type, {}};
    for (const ShardSnapshot& shard : source.node.shards)
      add(family, {{"shard", shard_label(shard)}}, metric.value(shard));
    return family;
  }
  return times(kTimeMetrics[nth - kShardMetrics.size()], source.node);
}

std::vector<SharedBytes> text_of(MetricFamily family, bool with_head) {
  PieceBuffer buffer(kTextPiece);
  std::ostream out(&buffer);
  std::vector<MetricFamily> one;
  one.push_back(std::move(family));
  prometheus::TextSerializer().Serialize(out, one);
  std::vector<SharedBytes> pieces = buffer.take();
  if (with_head || pieces.empty()) return pieces;
  // The serializer always begins with a line of HELP and one of TYPE, which a family may have once.
  const std::string_view text = as_text(pieces.front());
  const std::size_t head = text.find('\n', text.find('\n') + 1) + 1;
  pieces.front() = pieces.front().slice(head, text.size() - head);
  return pieces;
}

constexpr struct {
  const char* name;
  const char* help;
} kPartitionFamilies[kPartitionFigures] = {
    {"sluice_partition_log_end_offset", "The next offset."},
    {"sluice_partition_log_start_offset", "The first offset that can be read."},
    {"sluice_partition_size_bytes", "Size of what can be read."},
};

}  // namespace

ProcessStats process_stats(std::int64_t start_time_ms) {
  ProcessStats stats;
  stats.start_time_seconds = static_cast<double>(start_time_ms) / 1000;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto of = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    stats.cpu_seconds = of(usage.ru_utime) + of(usage.ru_stime);
  }
  if (std::FILE* const file = std::fopen("/proc/self/statm", "re")) {
    unsigned long long pages = 0;
    if (std::fscanf(file, "%*u %llu", &pages) == 1)
      stats.resident_bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    std::fclose(file);
  }
  return stats;
}

std::size_t family_count() { return kOthers.size() + kNodeMetrics.size() + kShardMetrics.size() + kTimeMetrics.size(); }

std::vector<SharedBytes> render_family(std::size_t nth, const NodeSnapshot& node, const ProcessStats& process) {
  MetricFamily family = make_family(nth, {node, process});
  if (family.metric.empty()) return {};
  return text_of(std::move(family), true);
}

std::vector<SharedBytes> render_partitions(PartitionFigure figure, const std::vector<PartitionValue>& values,
                                           bool first) {
  if (values.empty()) return {};
  const auto& [name, help] = kPartitionFamilies[static_cast<std::size_t>(figure)];
  MetricFamily family{name, help, kGauge, {}};
  family.metric.reserve(values.size());
  for (const PartitionValue& value : values)
    add(family, {{"topic", value.topic}, {"partition", std::to_string(value.partition)}}, value.value);
  return text_of(std::move(family), first);
}

}  // namespace sluice::broker
