#include "broker/shard/checkpointer.h"

#include <algorithm>

#include "protocol/base/log.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kLogsSyncedAtOnce = 64;
constexpr std::size_t kWritePieceBytes = 1U << 20;

}  // namespace

Checkpointer::Checkpointer(Replica& replica, ReplicaContext& context, UniqueFunction<void(Result<void>)> done)
    : replica_(replica), context_(context), done_(std::move(done)) {}

Checkpointer::~Checkpointer() = default;

std::string Checkpointer::final_path() const {
  return replica_.directory() + "/" + checkpoint_file_name(checkpoint_.snapshot.last_index);
}
std::string Checkpointer::temporary_path() const { return final_path() + ".new"; }

void Checkpointer::start() {
  checkpoint_ = replica_.capture();
  replaced_ = replica_.checkpoint_index();
  sync_logs();
}

void Checkpointer::sync_logs() {
  if (in_sync_loop_) return;
  in_sync_loop_ = true;
  while (logs_syncing_ < kLogsSyncedAtOnce && next_log_ < checkpoint_.partitions.size() && !failed_) {
    const std::size_t nth = next_log_++;
    Partition* partition = replica_.find(checkpoint_.partitions[nth].id);
    if (partition == nullptr) continue;  // deleted meanwhile: dropped below
    ++logs_syncing_;
    partition->log->sync([this, alive = std::weak_ptr(alive_), nth](Result<storage::LogState> state) {
      if (!alive.expired()) log_synced(nth, std::move(state));
    });
  }
  in_sync_loop_ = false;
  if (logs_syncing_ > 0) return;
  if (failed_) return finish(fail(*failed_));
  write_file();
}

void Checkpointer::log_synced(std::size_t nth, Result<storage::LogState> state) {
  --logs_syncing_;
  if (!state) {
    // A log whose partition was deleted meanwhile may have lost its files.
    if (replica_.find(checkpoint_.partitions[nth].id) != nullptr && !failed_) failed_ = state.error();
  } else {
    checkpoint_.partitions[nth].log = std::move(*state);
  }
  sync_logs();
}

void Checkpointer::write_file() {
  // A partition that was deleted while this checkpoint was taken: its delete command lies behind the checkpoint's index and
  // will be replayed, but its log can't be vouched for. It is carried as deleting, which the replay then confirms.
  std::erase_if(checkpoint_.partitions, [&](const CheckpointedPartition& partition) {
    if (replica_.find(partition.id) != nullptr) return false;
    checkpoint_.deleting.push_back(partition.id);
    return true;
  });
  bytes_ = encode_checkpoint(checkpoint_);
  auto file = context_.disk.open(temporary_path(), {.create = true, .exclusive = false, .writable = true, .direct = false});
  if (!file) return finish(fail(file.error()));
  file_ = std::move(*file);
  if (auto cut = file_->truncate(0); !cut) return finish(fail(cut.error()));
  write_next_piece();
}

void Checkpointer::write_next_piece() {
  if (written_ < bytes_.size()) {
    const std::size_t n = std::min(kWritePieceBytes, bytes_.size() - written_);
    const ByteSpan piece = ByteSpan(bytes_).subspan(written_, n);
    written_ += n;
    file_->write(written_ - n, piece, storage::WriteSync::none, [this, alive = std::weak_ptr(alive_)](Result<void> done) {
      if (alive.expired()) return;
      if (!done) return finish(fail(done.error()));
      write_next_piece();
    });
    return;
  }
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
  file_.reset();
  if (result) {
    replica_.checkpointed(checkpoint_);
    if (replaced_ && *replaced_ != checkpoint_.snapshot.last_index) {
      const std::string old = replica_.directory() + "/" + checkpoint_file_name(*replaced_);
      context_.disk.remove(old, [old](const Result<void>& removed) {
        if (!removed) log_warn("the replaced checkpoint {} stays: {}", old, removed.error().message);
      });
    }
  }
  done_(std::move(result));  // may destroy this
}

}  // namespace sluice::broker
