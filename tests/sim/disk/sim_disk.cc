#include "tests/sim/disk/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/base/check.h"
#include "tests/sim/disk/sim_disk_state.h"

namespace sluice::sim {
namespace {

using storage::IoDone;
using storage::kDiskBlock;
using storage::ReadDone;

const char* reason_of(Errc code) {
  if (code == Errc::no_space) return "No space left on device";
  if (code == Errc::not_found) return "No such file or directory";
  return "Input/output error";
}

void check_aligned(std::uint64_t offset, const void* memory, std::size_t size) {
  CHECK(
      offset % kDiskBlock == 0 && size % kDiskBlock == 0 && reinterpret_cast<std::uintptr_t>(memory) % kDiskBlock == 0,
      "direct files are read and written in aligned blocks");
}

}  // namespace

class SimFile final : public storage::File {
 public:
  SimFile(std::shared_ptr<SimDiskState> disk, SimNodePtr node, std::string path, storage::OpenOptions options)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)), options_(options) {}

  ~SimFile() override {
    CHECK(disk_->dead() || *in_flight_ == 0, "a file is closed while operations on it are under way");
  }

  void read(std::uint64_t offset, MutableByteSpan into, ReadDone done) override {
    if (options_.direct) check_aligned(offset, into.data(), into.size());
    if (!into.empty()) std::memset(into.data(), 0xdb, into.size());
    SimOperation operation = begin(SimOp::read);
    operation.offset = offset;
    operation.into = into;
    operation.read_done = std::move(done);
    disk_->start(std::move(operation));
  }

  void write(std::uint64_t offset, ByteSpan from, storage::WriteSync sync, IoDone done) override {
    CHECK(options_.writable, "the file was not opened for writing");
    if (options_.direct) check_aligned(offset, from.data(), from.size());
    SimOperation operation = begin(SimOp::write);
    operation.offset = offset;
    operation.from = from;
    operation.bytes.assign(from.begin(), from.end());
    operation.dsync = sync == storage::WriteSync::dsync;
    operation.done = std::move(done);
    disk_->start(std::move(operation));
  }

  void sync(IoDone done) override {
    SimOperation operation = begin(SimOp::sync);
    operation.mark = node_->content.mark();
    operation.done = std::move(done);
    disk_->start(std::move(operation));
  }

  Result<void> truncate(std::uint64_t size) override {
    CHECK(options_.writable, "the file was not opened for writing");
    if (disk_->dead()) return fail(Errc::io_error, "truncate " + path_ + ": the simulated process has died");
    if (const auto error = disk_->store().outcome_of(SimOp::truncate, path_).error) {
      return fail(*error, "truncate " + path_ + ": " + reason_of(*error));
    }
    node_->content.truncate(size);
    return {};
  }

  Result<std::uint64_t> size() override { return node_->content.view().size(); }
  bool direct() const override { return options_.direct; }
  const std::string& path() const override { return path_; }

 private:
  SimOperation begin(SimOp op) {
    SimOperation operation;
    operation.op = op;
    operation.node = node_;
    operation.path = path_;
    operation.file_in_flight = in_flight_;
    return operation;
  }

  std::shared_ptr<SimDiskState> disk_;
  SimNodePtr node_;
  std::string path_;
  storage::OpenOptions options_;
  std::shared_ptr<std::size_t> in_flight_ = std::make_shared<std::size_t>(0);
};

Error sim_error(const SimOperation& operation, Errc code) {
  std::string what;
  switch (operation.op) {
    case SimOp::read:
      what = "read " + operation.path + " at " + std::to_string(operation.offset) + " (" +
             std::to_string(operation.into.size()) + " bytes)";
      break;
    case SimOp::write:
      what = "write " + operation.path + " at " + std::to_string(operation.offset) + " (" +
             std::to_string(operation.bytes.size()) + " bytes)";
      break;
    case SimOp::sync: what = "sync " + operation.path; break;
    case SimOp::sync_dir: what = "sync directory " + operation.path; break;
    default: what = "remove " + operation.path; break;
  }
  return {code, what + ": " + reason_of(code)};
}

void SimDiskState::start(SimOperation operation) {
  if (dead_) return;  // like everything that a dead process does
  const auto outcome = store_.outcome_of(operation.op, operation.path);
  operation.error = outcome.error;
  operation.short_write = outcome.short_write;
  operation.due = clock_.steady() + delay_of(operation);
  if (operation.file_in_flight) ++*operation.file_in_flight;
  const std::uint64_t id = ++last_operation_;
  operation.timer = clock_.call_at(operation.due, [self = weak_from_this(), id] {
    if (const auto disk = self.lock()) disk->complete(id);
  });
  operations_.emplace(id, std::move(operation));
}

Nanos SimDiskState::delay_of(const SimOperation& operation) {
  const auto draw = [this](const NanosRange& range) {
    CHECK(range.least <= range.most);
    return range.least + Nanos(random_.below(static_cast<std::uint64_t>((range.most - range.least).count()) + 1));
  };
  Nanos delay = store_.stall_of(operation.path);
  if (operation.op == SimOp::read) return delay + draw(options_.read_latency);
  if (operation.op != SimOp::write) return delay + draw(options_.sync_latency);
  delay += draw(options_.write_latency);
  if (operation.short_write) delay += draw(options_.write_latency);  // the rest goes in a second write
  return operation.dsync ? delay + draw(options_.sync_latency) : delay;
}

void SimDiskState::complete_earliest() {
  CHECK(!dead_, "a simulated process that has died waits for its disk");
  CHECK(!operations_.empty(), "wait() with nothing under way");
  const auto earliest = std::min_element(operations_.begin(), operations_.end(),
                                         [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
  clock_.cancel(earliest->second.timer);
  complete(earliest->first);
}

void SimDiskState::die() {
  if (std::exchange(dead_, true)) return;
  // Destroyed at the end: what the callbacks own may be Files of this disk.
  const auto dropped = std::exchange(operations_, {});
  for (const auto& [id, operation] : dropped) {
    clock_.cancel(operation.timer);
    if (operation.op == SimOp::write && !operation.error) {
      store_.apply_under_way(operation.node, operation.offset, operation.bytes);
    } else if (operation.op == SimOp::remove && store_.random_.one_in(2)) {
      store_.apply_remove(operation.path);
    }
  }
}

void SimDiskState::complete(std::uint64_t id) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) return;
  const auto keep = shared_from_this();  // the callback may destroy the disk
  SimOperation operation = std::move(found->second);
  operations_.erase(found);
  Result<void> result = run(operation);
  if (operation.file_in_flight) --*operation.file_in_flight;
  if (operation.op != SimOp::read) {
    operation.done(std::move(result));
  } else if (!result) {
    operation.read_done(fail(result.error()));
  } else {
    const std::size_t count = operation.node->content.view().read(operation.offset, operation.into);
    operation.read_done(count);
  }
}

Result<void> SimDiskState::write(SimOperation& operation) {
  CHECK(operation.bytes.empty() ||
            std::memcmp(operation.bytes.data(), operation.from.data(), operation.bytes.size()) == 0,
        "a buffer was changed while it was being written");
  const ByteSpan bytes = operation.bytes;
  if (operation.error || (operation.dsync && operation.short_write)) {
    // A part may have been written before it failed.
    store_.write(operation.node, operation.offset, bytes.first(random_.below(bytes.size() + 1)), false);
    return fail(sim_error(operation, operation.error.value_or(Errc::io_error)));
  }
  if (!store_.write(operation.node, operation.offset, bytes, operation.dsync)) {
    return fail(sim_error(operation, Errc::no_space));
  }
  return {};
}

Result<void> SimDiskState::run(SimOperation& operation) {
  for (SimDiskCounters* counters : {&counters_, &store_.counters_}) {
    switch (operation.op) {
      case SimOp::read: ++counters->reads, counters->read_bytes += operation.into.size(); break;
      case SimOp::write:
        ++counters->writes, counters->written_bytes += operation.bytes.size();
        counters->dsync_writes += operation.dsync ? 1 : 0;
        break;
      case SimOp::sync: ++counters->syncs; break;
      case SimOp::sync_dir: ++counters->dir_syncs; break;
      default: ++counters->removes; break;
    }
  }
  if (operation.op == SimOp::write) return write(operation);
  if (operation.error) {
    if (operation.op == SimOp::sync) operation.node->content.fail_sync(operation.mark);
    return fail(sim_error(operation, *operation.error));
  }
  switch (operation.op) {
    case SimOp::sync: operation.node->content.sync(operation.mark); return {};
    case SimOp::sync_dir:
      if (!operation.node) return fail(sim_error(operation, Errc::not_found));
      store_.sync_names(operation.node, operation.mark);
      return {};
    case SimOp::remove: {
      const auto place = store_.find(operation.path);
      if (place.node && place.node->is_directory && !place.node->entries.empty()) {
        return fail(Errc::io_error, "remove " + operation.path + ": Directory not empty");
      }
      store_.apply_remove(operation.path);
      return {};
    }
    default: return {};
  }
}

SimDisk::SimDisk(SimStore& store, Clock& clock, Random& random, SimDiskOptions options)
    : state_(std::make_shared<SimDiskState>(store, clock, random, options)) {
  store.disks_.push_back(state_.get());
}

SimDisk::~SimDisk() {
  if (state_->dead()) return;
  std::erase(state_->store().disks_, state_.get());
  state_->die();
}

Result<std::unique_ptr<storage::File>> SimDisk::open(const std::string& path, storage::OpenOptions options) {
  SimStore& store = state_->store();
  if (state_->dead()) return fail(Errc::io_error, "open " + path + ": the simulated process has died");
  if (const auto error = store.outcome_of(SimOp::open, path).error) {
    return fail(*error, "open " + path + ": " + reason_of(*error));
  }
  auto place = store.find(path);
  if (!place.directory || (!place.node && !options.create)) {
    return fail(Errc::not_found, "open " + path + ": No such file or directory");
  }
  if (place.node && place.node->is_directory) return fail(Errc::io_error, "open " + path + ": Is a directory");
  if (place.node && options.create && options.exclusive) {
    return fail(Errc::io_error, "open " + path + ": File exists");
  }
  if (!place.node) {
    place.node = std::make_shared<SimNode>();
    store.change_names({{place.directory, place.name, place.node}});
  }
  options.direct = options.direct && state_->options().direct_supported;
  return std::make_unique<SimFile>(state_, std::move(place.node), path, options);
}

Result<std::vector<storage::DirEntry>> SimDisk::list(const std::string& path) {
  const auto place = state_->store().find(path);
  if (!place.node) return fail(Errc::not_found, "list " + path + ": No such file or directory");
  if (!place.node->is_directory) return fail(Errc::io_error, "list " + path + ": Not a directory");
  std::vector<storage::DirEntry> entries;
  for (const auto& [name, node] : place.node->entries) {
    entries.push_back({name, node->is_directory, node->content.view().size()});
  }
  return entries;
}

Result<void> SimDisk::make_dirs(const std::string& path) {
  if (state_->dead()) return fail(Errc::io_error, "make directories " + path + ": the simulated process has died");
  if (const auto error = state_->store().outcome_of(SimOp::make_dirs, path).error) {
    return fail(*error, "make directories " + path + ": " + reason_of(*error));
  }
  return state_->store().make_dirs(path);
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  SimStore& store = state_->store();
  const std::string what = "rename " + from + " to " + to + ": ";
  if (state_->dead()) return fail(Errc::io_error, what + "the simulated process has died");
  if (const auto error = store.outcome_of(SimOp::rename, from).error) return fail(*error, what + reason_of(*error));
  const auto source = store.find(from);
  const auto target = store.find(to);
  if (!source.node || !target.directory) return fail(Errc::not_found, what + "No such file or directory");
  CHECK(!source.name.empty() && !target.name.empty(), "the root is not renamed");
  if (source.node == target.node) return {};
  if (target.node && target.node->is_directory != source.node->is_directory) {
    return fail(Errc::io_error, what + (target.node->is_directory ? "Is a directory" : "Not a directory"));
  }
  if (target.node && !target.node->entries.empty()) return fail(Errc::io_error, what + "Directory not empty");
  store.change_names({{source.directory, source.name, nullptr}, {target.directory, target.name, source.node}});
  return {};
}

Result<bool> SimDisk::exists(const std::string& path) { return state_->store().find(path).node != nullptr; }

Result<storage::DiskSpace> SimDisk::space(const std::string& path) {
  if (!state_->store().find(path).node)
    return fail(Errc::not_found, "space of " + path + ": No such file or directory");
  return state_->store().space();
}

void SimDisk::sync_dir(const std::string& path, IoDone done) {
  SimOperation operation;
  operation.op = SimOp::sync_dir;
  operation.path = path;
  operation.node = state_->store().find(path).node;
  operation.mark = state_->store().names_mark();
  operation.done = std::move(done);
  state_->start(std::move(operation));
}

void SimDisk::remove(const std::string& path, IoDone done) {
  SimOperation operation;
  operation.op = SimOp::remove;
  operation.path = path;
  operation.done = std::move(done);
  state_->start(std::move(operation));
}

void SimDisk::wait() { state_->complete_earliest(); }
std::size_t SimDisk::in_flight() const { return state_->in_flight(); }
const SimDiskCounters& SimDisk::counters() const { return state_->counters(); }

}  // namespace sluice::sim
