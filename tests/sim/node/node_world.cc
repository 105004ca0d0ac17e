#include "tests/sim/node/node_world.h"

#include <fmt/core.h>

#include <algorithm>

#include "protocol/base/log.h"
#include "storage/journal/journal_format.h"

namespace sluice::broker::sim {
namespace {

using sluice::sim::SimOp;
using sluice::sim::TieBreak;

constexpr std::string_view kData = "data";
constexpr Nanos kReadyLimit = std::chrono::seconds(20);
constexpr Nanos kFullAtStart = std::chrono::seconds(1);
constexpr Nanos kSettleLimit = std::chrono::seconds(30);
constexpr Nanos kStep = std::chrono::milliseconds(1);
constexpr std::uint64_t kMiB = 1U << 20;

}  // namespace

NodeWorld::NodeWorld(std::uint64_t seed)
    : seed_(seed),
      random_(seed * 7919 + 1),
      scheduler_(TieBreak::seeded, seed),
      store_(seed + 17),
      workload_(scheduler_, history_, seed + 31),
      changes_(scheduler_, history_, seed + 47) {
  settings_.data_dir = kData;
  settings_.journal_file_bytes = kMiB;
  settings_.journal_capacity_bytes = 4 * kMiB;
  settings_.journal_direct = one_in(2);
  if (one_in(3)) settings_.journal_sync = one_in(2) ? "dsync" : "fdatasync";
  settings_.kafka_max_request_bytes = 256 << 10;
  settings_.memory_budget_bytes = 128 << 20;  // the machine that runs this is none of its business
  settings_.memory_spill_bytes = 64 << 10;
  settings_.memory_max_unspilled_bytes = one_in(2) ? 256 << 10 : 1 << 20;
  settings_.log_max_open_files = 8 + random_.below(24);
  if (random_.one_in(2)) settings_.log_direct_bytes = 8 << 10;
  settings_.disk_min_free_bytes = kMiB;
  settings_.disk_reserve_bytes = 256 << 10;
  settings_.retention_check_ms = 300;
  settings_.checkpoint_idle_ms = 200;
  settings_.checkpoint_logs_at_once = 1 + random_.below(3);
  identity_.cluster_id = "simulated";
  identity_.shards = static_cast<std::uint32_t>(1 + random_.below(3));
  store_.make_durable_dirs(std::string(kData));
}

NodeWorld::~NodeWorld() {
  if (life_) die(false);
}

std::string NodeWorld::summary() const {
  return fmt::format(
      "seed {}: {} shards, {} lives ({} power losses, {} kills, {} stops, {} ended by device errors, {} died starting, {} "
      "refused), {} full disks, {} device errors, {} flips, {} topics made, {} deleted, {} grown, {} altered, {} deletions of records, {} acknowledgements, {} batches read, "
      "{} ms, hash {:016x}",
      seed_, identity_.shards, counts_.lives, counts_.crashes, counts_.kills, counts_.stops, counts_.fatal,
      counts_.died_starting, counts_.refused, counts_.full_disks, counts_.device_errors, counts_.flips,
      workload_.topics_made(), workload_.topics_deleted(), changes_.grown(), changes_.altered(), changes_.deletions(), history_.acknowledgements(), history_.batches_read(),
      std::chrono::duration_cast<Millis>(scheduler_.now()).count(), history_.hash());
}

std::string NodeWorld::run() {
  const std::uint64_t lives = 3 + random_.below(4);
  for (std::uint64_t nth = 0; nth < lives && ok(); ++nth) {
    bring_up(false);
    if (ok()) live();
  }
  if (ok()) finish();
  return history_.violation();
}

// ---- Life and death ----

void NodeWorld::live() {
  const SteadyTime end = scheduler_.now() + millis(20, one_in(3) ? 2'200 : 700);
  if (one_in(5)) fill_disk();
  if (one_in(4)) break_device();
  const SteadyTime room_again = scheduler_.now() + millis(100, 1'500);
  while (ok() && scheduler_.now() < end && !life_->fatal()) {
    scheduler_.run_for(kStep);
    if (scheduler_.now() >= room_again) store_.set_capacity(0);
    if (one_in(60)) {
      const auto groups = all_groups(identity_.shards);
      const GroupId group = groups[random_.below(groups.size())];
      life_->shard(group.value % identity_.shards).checkpoint(group);
    }
  }
  if (!ok()) return;
  if (life_->fatal()) {
    ++counts_.fatal;
    if (!fault_planned_ && !disk_full_)
      return history_.violate("the node gave up without a device error: " + life_->fatal()->message);
    scheduler_.run_for(std::chrono::microseconds(random_.below(3'000)));  // other threads, before the process is gone
    return die(true);
  }
  const std::uint64_t how = random_.below(10);
  if (how < 6)
    die(true);
  else if (how < 8)
    die(false);
  else
    stop_cleanly();
  if (ok() && one_in(4)) flip_something();
}

void NodeWorld::die(bool power_lost) {
  workload_.node_down();
  changes_.node_down();
  ++(power_lost ? counts_.crashes : counts_.kills);
  if (power_lost)
    store_.crash(random_);
  else
    store_.kill();
  life_.reset();
  store_.clear_faults();
  history_.note(30, power_lost ? 1 : 0);
  log_info("---- {} at {} ms", power_lost ? "power lost" : "killed", std::chrono::duration_cast<Millis>(scheduler_.now()).count());
}

void NodeWorld::stop_cleanly() {
  workload_.node_down();
  changes_.node_down();
  store_.clear_faults();
  store_.set_capacity(0);
  life_->drain();
  const SteadyTime limit = scheduler_.now() + kReadyLimit;
  while (!life_->drained() && !life_->fatal() && scheduler_.now() < limit) scheduler_.run_for(kStep);
  if (!life_->drained() && !(life_->fatal() && (fault_planned_ || disk_full_)))
    return history_.violate(life_->fatal() ? "the node gave up while it stopped: " + life_->fatal()->message
                                           : std::string("the node does not stop"));
  ++counts_.stops;
  die(one_in(2));
}

void NodeWorld::bring_up(bool quiet) {
  for (int attempt = 0; ok() && attempt < 20; ++attempt) {
    if (start_once(quiet || attempt > 4)) return;
  }
  if (ok()) history_.violate("the node could not be started in 20 attempts");
}

bool NodeWorld::start_once(bool quiet) {
  ++counts_.lives;
  fault_planned_ = false;
  if (quiet) store_.set_capacity(0);
  const bool limited = disk_full_ = store_.space().free_bytes < (1ULL << 40);
  life_ = std::make_unique<NodeLife>(scheduler_, store_, settings_, identity_, random_.next());
  if (!quiet && one_in(4)) {
    // The process or its machine dies at some moment of the start: what it wants then fails, and nothing more is done.
    constexpr SimOp kOps[] = {SimOp::read, SimOp::write, SimOp::sync, SimOp::sync_dir, SimOp::open, SimOp::rename, SimOp::truncate};
    store_.inject({.op = kOps[random_.below(std::size(kOps))], .skip = random_.below(12), .times = sluice::sim::SimFault::kAlways});
    fault_planned_ = true;
  }
  auto started = life_->start(!formatted_);
  log_info("---- life {} at {} ms: {}", counts_.lives, std::chrono::duration_cast<Millis>(scheduler_.now()).count(),
           started ? "started" : started.error().message);
  if (started) {
    formatted_ = true;
    if (flip_ && flip_->path.find("/checkpoint-") != std::string::npos) flip_.reset();  // it goes on without that one
  } else if (fault_planned_) {
    ++counts_.died_starting;
    die(one_in(2));
    return false;
  } else {
    if (limited && started.error().code == Errc::no_space)
      store_.set_capacity(0);
    else
      refused(started.error());
    die(false);
    return false;
  }
  const bool die_early = !quiet && one_in(6);
  const SteadyTime limit = scheduler_.now() + (die_early ? Nanos(std::chrono::microseconds(random_.below(5'000))) : kReadyLimit);
  const SteadyTime room_again = scheduler_.now() + kFullAtStart;  // it waits for room, and goes on by itself
  while (!life_->ready() && !life_->fatal() && scheduler_.now() < limit) {
    scheduler_.run_for(Nanos(kStep) / 4);
    if (scheduler_.now() >= room_again) store_.set_capacity(0);
  }
  if (die_early || life_->fatal()) {
    if (life_->fatal() && !fault_planned_ && !limited)
      history_.violate("the node gave up while it started: " + life_->fatal()->message);
    ++counts_.died_starting;
    die(one_in(2));
    return false;
  }
  if (!life_->ready()) {
    if (fault_planned_) {
      die(true);
      return false;
    }
    history_.violate("the node is not ready after 20 s");
    return false;
  }
  store_.clear_faults();
  workload_.node_up(*life_);
  changes_.node_up(*life_);
  if (fault_planned_) workload_.expect_io_errors();
  return true;
}

/// The node would not start. Only a flipped bit may be the reason; it is then flipped back.
void NodeWorld::refused(const Error& error) {
  ++counts_.refused;
  if (!flip_ || (error.code != Errc::corrupt && error.code != Errc::malformed && error.code != Errc::unsupported))
    return history_.violate(fmt::format("the node refuses to start: {}: {}", errc_name(error.code), error.message));
  restore_flip();
}

// ---- Faults ----

void NodeWorld::fill_disk() {
  ++counts_.full_disks;
  disk_full_ = true;
  store_.set_capacity(store_.used_bytes() + random_.below(3 * kMiB));
}

void NodeWorld::break_device() {
  ++counts_.device_errors;
  fault_planned_ = true;
  workload_.expect_io_errors();
  constexpr SimOp kOps[] = {SimOp::write, SimOp::write, SimOp::sync, SimOp::sync, SimOp::sync_dir, SimOp::read, SimOp::open,
                            SimOp::rename, SimOp::truncate, SimOp::remove};
  constexpr const char* kPaths[] = {"journal", "journal", ".log", ".log", ".index", "checkpoint", "group-", ""};
  sluice::sim::SimFault fault;
  fault.op = kOps[random_.below(std::size(kOps))];
  fault.path_contains = kPaths[random_.below(std::size(kPaths))];
  fault.skip = random_.below(60);
  fault.short_write = fault.op == SimOp::write && one_in(4);
  store_.inject(fault);
  log_info("---- operation {} of kind {} on '{}' will fail", fault.skip, static_cast<int>(fault.op), fault.path_contains);
}

void NodeWorld::flip_something() {
  std::vector<std::string> segments, indexes, checkpoints;
  for (const std::string& path : store_.files()) {
    if (path.ends_with(".log")) segments.push_back(path);
    if (path.ends_with(".index")) indexes.push_back(path);
    if (path.find("/checkpoint-") != std::string::npos && !path.ends_with(".new")) checkpoints.push_back(path);
  }
  // The newest of two is left alone: to go on from the older one, whose segments may be gone by now, is a matter of luck.
  const auto group_of = [](const std::string& path) { return path.substr(0, path.rfind('/')); };
  for (std::size_t nth = 1; nth < checkpoints.size(); ++nth)
    if (group_of(checkpoints[nth - 1]) == group_of(checkpoints[nth]) &&
        (nth + 1 == checkpoints.size() || group_of(checkpoints[nth + 1]) != group_of(checkpoints[nth])))
      checkpoints.erase(checkpoints.begin() + static_cast<std::ptrdiff_t>(nth--));
  const std::uint64_t kind = random_.below(4);
  std::optional<std::pair<std::string, std::uint64_t>> target;
  const auto any_of = [&](const std::vector<std::string>& paths) {
    if (paths.empty()) return;
    const std::string& path = paths[random_.below(paths.size())];
    const auto bytes = store_.read_view(path);
    if (bytes && !bytes->empty()) target = {path, random_.below(bytes->size())};
  };
  if (flip_ && !as_flipped()) flip_.reset();
  if (kind >= 2 && flip_) return;
  if (kind == 0) any_of(segments);
  if (kind == 1) any_of(indexes);
  if (kind == 2) any_of(checkpoints);
  if (kind == 3) target = journal_target();
  if (!target) return;
  ++counts_.flips;
  const auto& [path, offset] = *target;
  const auto bit = static_cast<unsigned>(random_.below(8));
  store_.flip_bit(path, offset, bit);
  log_info("---- bit {} of byte {} of {} flipped", bit, offset, path);
  history_.note(31, offset);
  if (kind >= 2) flip_ = Flip{path, offset, bit, *store_.read_view(path)};
  if (kind == 0)
    for (const auto& [id, topic] : history_.topics())
      for (std::int32_t index = 0; index < topic.partitions; ++index) {
        PartitionModel& partition = history_.partition(topic, index);
        if (path.find("/" + partition.id.text() + "/") != std::string::npos) partition.damaged = true;
      }
}

/// A byte of a journal file, in a flush that a later one says was durable, or in the header of a file that has one.
std::optional<std::pair<std::string, std::uint64_t>> NodeWorld::journal_target() {
  struct Place {
    std::string path;
    std::uint64_t begin, end, sequence;
  };
  std::vector<Place> places;
  const std::string shard = fmt::format("/shard-{}/", random_.below(identity_.shards));
  std::uint64_t synced = 0;
  for (const std::string& path : store_.files()) {
    if (path.find(shard) == std::string::npos || !path.ends_with(".wal")) continue;
    const auto bytes = store_.read_view(path);
    auto header = storage::decode_file_header(*bytes);
    if (!header) continue;
    bool first = true;
    for (std::uint64_t at = header->header_bytes; at + storage::kJournalBlock <= bytes->size();) {
      const auto flush = storage::decode_flush_header(ByteSpan(*bytes).subspan(at), header->number, header->salt);
      if (!flush) break;
      if (std::exchange(first, false)) places.push_back({path, 0, header->header_bytes, flush->sequence});
      const std::uint64_t length = storage::kFlushHeaderBytes + flush->payload_bytes;
      if (at + length > bytes->size()) break;
      places.push_back({path, at, at + length, flush->sequence});
      synced = std::max(synced, flush->synced_through);
      at += storage::flush_span(flush->payload_bytes);
    }
  }
  std::erase_if(places, [&](const Place& place) { return place.sequence > synced; });
  if (places.empty()) return std::nullopt;
  const Place& place = places[random_.below(places.size())];
  return std::pair(place.path, place.begin + random_.below(place.end - place.begin));
}

/// Whether the file is still as it was then: not recycled under its name.
bool NodeWorld::as_flipped() const {
  const auto now = store_.read_view(flip_->path);
  if (!now || flip_->offset >= now->size() || (*now)[flip_->offset] != flip_->file[flip_->offset]) return false;
  const std::size_t header = std::min<std::size_t>({64, now->size(), flip_->file.size()});
  return std::ranges::equal(ByteSpan(*now).first(header), ByteSpan(flip_->file).first(header));
}

void NodeWorld::restore_flip() {
  if (flip_ && as_flipped()) store_.flip_bit(flip_->path, flip_->offset, flip_->bit);
  flip_.reset();
}

// ---- The end ----

void NodeWorld::finish() {
  bring_up(true);
  if (ok()) settle();
  if (ok()) read_everything();
  if (!ok()) return;
  die(true);
  bring_up(true);
  if (ok()) settle();
  if (ok()) read_everything();
  if (ok()) no_leftovers();
}

void NodeWorld::settle() {
  workload_.wind_down();
  changes_.wind_down();
  const SteadyTime limit = scheduler_.now() + kSettleLimit;
  std::string why;
  scheduler_.run_for(std::chrono::milliseconds(20));
  while (ok() && !life_->fatal() && !(workload_.settled(why) && changes_.settled(why))) {
    if (scheduler_.now() > limit) return history_.violate("30 s after the last fault " + why);
    scheduler_.run_for(kStep);
  }
  if (life_->fatal()) history_.violate("the node gave up without a fault: " + life_->fatal()->message);
}

void NodeWorld::read_everything() {
  workload_.read_all();
  const SteadyTime limit = scheduler_.now() + kSettleLimit;
  while (ok() && workload_.reading_all()) {
    if (scheduler_.now() > limit) return history_.violate("a fetch of the last reading is not answered in 30 s");
    scheduler_.run_for(kStep);
  }
}

/// Files of deleted topics go with the checkpoints that follow.
void NodeWorld::no_leftovers() {
  for (int pass = 0; pass < 2; ++pass) {
    scheduler_.run_for(std::chrono::seconds(3));
    stop_cleanly();
    if (!ok()) return;
    bring_up(true);
    if (!ok()) return;
  }
  scheduler_.run_for(std::chrono::milliseconds(100));
  for (const std::string& path : store_.files())
    for (const auto& [id, topic] : history_.topics())
      if (topic.phase == TopicModel::Phase::gone && path.find("/" + id.hex() + "-") != std::string::npos)
        return history_.violate(fmt::format("{} of deleted topic '{}' is still there", path, topic.name));
}

}  // namespace sluice::broker::sim
