#include "broker/shard/space_guard.h"

#include <algorithm>
#include <utility>

#include "protocol/base/log.h"

namespace sluice::broker {
namespace {
constexpr std::size_t kPieceBytes = 1U << 20;
}

SpaceGuard::SpaceGuard(storage::Disk& disk, std::string directory, std::uint64_t min_free_bytes,
                       std::uint64_t reserve_bytes, std::shared_ptr<UnspilledTotal> unspilled)
    : disk_(disk),
      directory_(std::move(directory)),
      min_free_bytes_(min_free_bytes),
      reserve_bytes_(reserve_bytes),
      unspilled_(unspilled ? std::move(unspilled) : std::make_shared<UnspilledTotal>()) {}

SpaceGuard::~SpaceGuard() { unspilled_->replace(counted_bytes_, 0); }

Result<void> SpaceGuard::start() {
  auto there = disk_.exists(path());
  if (!there) return fail(there.error());
  have_reserve_ = *there;
  check(0);
  if (have_reserve_ || full_) return {};
  auto file = disk_.open(path(), {.create = true, .exclusive = false, .writable = true, .direct = false});
  if (!file) return fail(file.error());
  const std::vector<std::byte> zeros(std::min<std::uint64_t>(kPieceBytes, reserve_bytes_));
  for (std::uint64_t at = 0; at < reserve_bytes_; at += zeros.size()) {
    auto written = storage::write_blocking(disk_, **file, at, zeros, storage::WriteSync::none);
    if (!written && written.error().code != Errc::no_space) return written;
    if (!written) {
      full_ = true;
      return {};
    }
  }
  have_reserve_ = true;
  return storage::sync_blocking(disk_, **file);
}

void SpaceGuard::check(std::uint64_t unspilled_bytes) {
  unspilled_->replace(std::exchange(counted_bytes_, unspilled_bytes), unspilled_bytes);
  auto space = disk_.space(directory_);
  if (!space) {
    log_warn("free space of {} can't be told: {}", directory_, space.error().message);
    return;
  }
  const std::uint64_t wanted = min_free_bytes_ + unspilled_->bytes();
  // A little more than it takes to be full, so that the state does not flap.
  const std::uint64_t enough = full_ ? wanted + wanted / 8 + (have_reserve_ ? 0 : reserve_bytes_) : wanted;
  const bool full = space->free_bytes < enough;
  if (full && !full_)
    log_error("the disk of {} is full: {} MiB are free and {} MiB are needed; producing is refused until there is room",
              directory_, space->free_bytes >> 20, wanted >> 20);
  if (!full && full_) log_info("the disk of {} has room again: producing goes on", directory_);
  full_ = full;
  if (full_ && space->free_bytes < reserve_bytes_) give_up_reserve();
  if (!full_) restore_reserve();
}

void SpaceGuard::write_refused() {
  if (std::exchange(full_, true)) return;
  log_error("the disk of {} is full: a write was refused; producing is refused until there is room", directory_);
}

void SpaceGuard::give_up_reserve() {
  if (!have_reserve_ || busy_) return;
  have_reserve_ = false;
  busy_ = true;
  disk_.remove(path(), [this, alive = std::weak_ptr(alive_)](const Result<void>& removed) {
    if (alive.expired()) return;
    busy_ = false;
    if (!removed) log_warn("the reserve file {} can't be given up: {}", path(), removed.error().message);
  });
}

void SpaceGuard::restore_reserve() {
  if (have_reserve_ || busy_ || reserve_bytes_ == 0) return;
  auto file = disk_.open(path(), {.create = true, .exclusive = false, .writable = true, .direct = false});
  if (!file) return;
  busy_ = true;
  file_ = std::move(*file);
  zeros_.assign(std::min<std::uint64_t>(kPieceBytes, reserve_bytes_), std::byte{});
  write_reserve(0);
}

void SpaceGuard::write_reserve(std::uint64_t at) {
  if (at >= reserve_bytes_) {
    file_.reset();
    zeros_ = {};
    busy_ = false;
    have_reserve_ = true;
    return;
  }
  file_->write(at, zeros_, storage::WriteSync::none,
               [this, alive = std::weak_ptr(alive_), at](const Result<void>& done) {
                 if (alive.expired()) return;
                 if (done) return write_reserve(at + zeros_.size());
                 file_.reset();
                 zeros_ = {};
                 busy_ = false;
                 full_ = true;
                 have_reserve_ = true;  // what there is of it is given up by the next check
               });
}

}  // namespace sluice::broker
