#include "broker/shard/checkpointer.h"

#include <utility>

#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kPartitionsATurn = 16;
constexpr std::size_t kPieceBytes = 256U << 10;
/// Built and not written: beyond it nothing more is built.
constexpr std::size_t kMostBuffered = 2 * kPieceBytes;

}  // namespace

Checkpointer::Checkpointer(Replica& replica, ReplicaContext& context, std::size_t logs_at_once,
                           UniqueFunction<void(Result<void>)> done)
    : replica_(replica),
      context_(context),
      logs_at_once_(logs_at_once),
      done_(std::move(done)),
      capture_(replica.begin_capture()),
      replaced_(replica.checkpoint_index()),
      writer_(capture_.header()) {}

Checkpointer::~Checkpointer() = default;

std::string Checkpointer::final_path() const {
  return replica_.directory() + "/" + checkpoint_file_name(capture_.header().snapshot.last_index);
}
std::string Checkpointer::temporary_path() const { return final_path() + ".new"; }

bool Checkpointer::step() {
  if (finished_) return false;
  if (failed_) {
    if (logs_syncing_ > 0 || writing_) return false;
    finish(fail(*failed_));
    return true;
  }
  bool worked = take_partitions();
  if (all_taken_ && logs_syncing_ == 0 && !failed_) worked |= take_the_rest();
  if (!failed_ && !writing_) worked |= write_piece();
  return worked;
}

bool Checkpointer::take_partitions() {
  std::size_t taken = 0;
  while (!all_taken_ && !failed_ && taken < kPartitionsATurn && logs_syncing_ < logs_at_once_ &&
         writer_.buffered() < kMostBuffered) {
    auto next = capture_.next();
    if (!next) {
      all_taken_ = true;
      return true;
    }
    ++taken;
    sync_log(std::move(*next));
  }
  return taken > 0;
}

void Checkpointer::sync_log(Capture::Taken taken) {
  const PartitionId id = taken.id;
  Partition* const partition = replica_.find(id);
  // Deleted meanwhile: its delete command lies behind the checkpoint's index and will be replayed, but its log can't be
  // vouched for. It is carried as deleting, which the replay then confirms.
  if (partition == nullptr) return capture_.deleting().push_back(id);
  if (taken.log) return writer_.add({id, std::move(taken.state), std::move(*taken.log)});
  ++logs_syncing_;
  partition->log->sync(
      [this, alive = std::weak_ptr(alive_), taken = std::move(taken)](Result<storage::LogState> state) {
        if (alive.expired()) return;
        --logs_syncing_;
        if (replica_.find(taken.id) == nullptr) {  // it may have lost its files
          capture_.deleting().push_back(taken.id);
        } else if (!state) {
          if (!failed_) failed_ = state.error();
        } else {
          writer_.add({taken.id, taken.state, std::move(*state)});
        }
        context_.wake();
      });
}

bool Checkpointer::take_the_rest() {
  if (ended_ || writer_.buffered() >= kMostBuffered) return false;
  auto& tables = capture_.tables();
  while (!tables.empty() && writer_.buffered() < kPieceBytes) {
    TableSnapshot& table = *tables.front();
    writer_.add_table_chunk(table.name(), table.next(kCheckpointFrameBytes / 2));
    if (table.done()) tables.erase(tables.begin());
  }
  if (!tables.empty()) return true;
  for (const PartitionId& id : capture_.deleting()) writer_.add_deleting(id);
  writer_.end();
  ended_ = true;
  return true;
}

bool Checkpointer::write_piece() {
  if (writer_.buffered() == 0 && ended_) {
    make_durable();
    return true;
  }
  if (writer_.buffered() < kPieceBytes && !ended_) return false;
  if (!file_) {
    auto file =
        context_.disk.open(temporary_path(), {.create = true, .exclusive = false, .writable = true, .direct = false});
    Result<void> cut;
    if (file) cut = (*file)->truncate(0);
    if (!file || !cut) {
      failed_ = file ? cut.error() : file.error();
      return true;
    }
    file_ = std::move(*file);
  }
  writing_ = true;
  piece_ = writer_.take();
  file_->write(written_, piece_, storage::WriteSync::none, [this, alive = std::weak_ptr(alive_)](Result<void> result) {
    if (!alive.expired()) write_done(std::move(result));
  });
  return true;
}

void Checkpointer::write_done(Result<void> result) {
  writing_ = false;
  written_ += piece_.size();
  piece_ = {};
  if (!result && !failed_) failed_ = result.error();
  context_.wake();
}

void Checkpointer::make_durable() {
  writing_ = true;
  file_->sync([this, alive = std::weak_ptr(alive_)](Result<void> synced) {
    if (alive.expired()) return;
    if (!synced) return finish(fail(synced.error()));
    if (auto renamed = context_.disk.rename(temporary_path(), final_path()); !renamed)
      return finish(fail(renamed.error()));
    context_.disk.sync_dir(replica_.directory(), [this, still = std::weak_ptr(alive_)](Result<void> dir_synced) {
      if (!still.expired()) finish(std::move(dir_synced));
    });
  });
}

void Checkpointer::finish(Result<void> result) {
  finished_ = true;
  file_.reset();
  if (!result && result.error().code == Errc::no_space) return give_up(std::move(result.error()));
  const LogIndex index = capture_.header().snapshot.last_index;
  replica_.end_capture(result.has_value());
  if (result && replaced_ && *replaced_ != index) {
    const std::string old = replica_.directory() + "/" + checkpoint_file_name(*replaced_);
    context_.disk.remove(old, [old](const Result<void>& removed) {
      if (!removed) log_warn("the replaced checkpoint {} stays: {}", old, removed.error().message);
    });
  }
  done_(std::move(result));  // may destroy this
}

/// What there is of the file goes before another attempt takes its name: its room may be what is short.
void Checkpointer::give_up(Error why) {
  const std::string path = temporary_path();
  replica_.end_capture(false);
  context_.disk.remove(path, [this, alive = std::weak_ptr(alive_), path, why = std::move(why)](Result<void> removed) {
    if (alive.expired()) return;
    if (!removed) log_warn("{} is of no use and stays: {}", path, removed.error().message);
    done_(fail(why));  // may destroy this
  });
}

}  // namespace sluice::broker
