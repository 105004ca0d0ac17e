// The first use of a log's files after open(): a crash may have left more than the checkpoint says, which is cut or
// removed, and never less, which is corruption. Also all removing of files.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "protocol/base/log.h"
#include "storage/log/log_impl.h"

namespace sluice::storage {

struct PartitionLog::Impl::Prepare {
  explicit Prepare(std::shared_ptr<Impl> log) : busy(std::move(log)) {}
  Busy busy;
  std::vector<Done> waiters;
  std::vector<std::string> leftovers;
};

void PartitionLog::Impl::prepare(Done then) {
  if (removing_) return then(fail(gone()));
  if (prepared_) return then({});
  if (const auto op = preparing_.lock()) return op->waiters.push_back(std::move(then));
  const auto op = std::make_shared<Prepare>(shared_from_this());
  op->waiters.push_back(std::move(then));
  preparing_ = op;
  auto leftovers = check_files();
  if (!leftovers) return prepared(op, fail(std::move(leftovers.error())));
  op->leftovers = std::move(*leftovers);
  cut_active(op);
}

/// Compares what is there with what the checkpoint says. Returns the files that a crash left.
Result<std::vector<std::string>> PartitionLog::Impl::check_files() {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i].base < Offset(0) || segments_[i].base >= view(i).next || segments_[i].size_bytes == 0) {
      return fail(Errc::corrupt, fmt::format("segment {} is out of order in its checkpoint", view(i).path));
    }
  }
  auto entries = disk().list(directory_);
  if (!entries) {
    if (entries.error().code != Errc::not_found) return fail(std::move(entries.error()));
    if (!segments_.empty()) {
      return fail(Errc::corrupt, fmt::format("log directory {} is missing; its checkpoint names {} segments",
                                             directory_, segments_.size()));
    }
    return std::vector<std::string>{};
  }
  directory_made_ = true;
  std::map<Offset, std::uint64_t> sizes;
  for (const DirEntry& entry : *entries) {
    const LogFileName name = parse_log_file_name(entry.name);
    if (name.kind == LogFileKind::segment) sizes[name.base] = entry.size_bytes;
  }
  for (const Segment& segment : segments_) {
    const auto found = sizes.find(segment.base);
    if (found == sizes.end()) {
      return fail(Errc::corrupt, fmt::format("segment {} is missing; its checkpoint says {} bytes",
                                             segment_path(directory_, segment.base), segment.size_bytes));
    }
    if (found->second < segment.size_bytes) {
      return fail(Errc::corrupt,
                  fmt::format("segment {} has {} bytes; its checkpoint says {}", segment_path(directory_, segment.base),
                              found->second, segment.size_bytes));
    }
  }
  // What advance_start() freed meanwhile stays until remove_garbage().
  std::vector<Offset> known;
  for (const Segment& segment : garbage_) known.push_back(segment.base);
  for (const Segment& segment : segments_) known.push_back(segment.base);
  std::vector<std::string> leftovers;
  for (const DirEntry& entry : *entries) {
    const LogFileName name = parse_log_file_name(entry.name);
    if (name.kind == LogFileKind::other || std::binary_search(known.begin(), known.end(), name.base)) continue;
    std::string path = directory_ + "/" + entry.name;
    if (known.empty() || name.base < known.front() || name.base > known.back()) {
      leftovers.push_back(std::move(path));
    } else {
      log_warn("file {} belongs to no segment that the checkpoint names; it is kept and not used", path);
    }
  }
  return leftovers;
}

void PartitionLog::Impl::cut_active(const std::shared_ptr<Prepare>& op) {
  if (segments_.empty()) return remove_leftovers(op);
  const std::uint64_t size = segments_.back().size_bytes;
  files_->acquire(segment_path(directory_, segments_.back().base), false, alive(),
                  [self = shared_from_this(), op, size](Result<FilePool::Lease> file) {
                    if (!file) return self->prepared(op, fail(std::move(file.error())));
                    const auto now = file->file().size();
                    Result<void> cut;
                    if (now && *now > size) cut = file->file().truncate(size);
                    file->release();
                    if (!now) return self->prepared(op, fail(now.error()));
                    if (!cut) return self->prepared(op, std::move(cut));
                    self->remove_leftovers(op);
                  });
}

void PartitionLog::Impl::remove_leftovers(const std::shared_ptr<Prepare>& op) {
  remove_files(op->leftovers,
               [self = shared_from_this(), op](Result<void> result) { self->prepared(op, std::move(result)); });
}

void PartitionLog::Impl::prepared(const std::shared_ptr<Prepare>& op, Result<void> result) {
  preparing_.reset();
  prepared_ = result.has_value();
  for (Done& waiter : std::exchange(op->waiters, {})) {
    if (!alive_) return;
    if (result && removing_) {
      waiter(fail(gone()));
    } else {
      waiter(result);
    }
  }
}

void PartitionLog::Impl::remove_files(const std::vector<std::string>& paths, Done done) {
  struct Removal {
    std::size_t left = 1;  // one for this function
    Result<void> result;
    Done done;
  };
  const auto removal = std::make_shared<Removal>();
  removal->done = std::move(done);
  const auto one_less = [self = shared_from_this(), removal](Result<void> result) {
    if (!result && removal->result) removal->result = std::move(result);
    if (--removal->left == 0 && self->alive_) removal->done(std::move(removal->result));
  };
  for (const std::string& path : paths) {
    ++removal->left;
    files_->forget(path);
    disk().remove(path, one_less);
  }
  one_less({});
}

void PartitionLog::Impl::remove_all(Done done) {
  removing_ = true;
  removed_ = std::move(done);
  const Busy idle_at_once(shared_from_this());  // became_idle() when nothing else is under way
}

void PartitionLog::Impl::became_idle() {
  if (alive_ && removed_) remove_directory(std::move(removed_));
}

void PartitionLog::Impl::remove_directory(Done done) {
  files_->forget_directory(directory_);
  const auto entries = disk().list(directory_);
  if (!entries) {
    if (entries.error().code == Errc::not_found) return done({});
    return done(fail(entries.error()));
  }
  std::vector<std::string> paths;
  for (const DirEntry& entry : *entries) paths.push_back(directory_ + "/" + entry.name);
  remove_files(paths, [self = shared_from_this(), done = std::move(done)](Result<void> result) mutable {
    if (!result) return done(std::move(result));
    self->disk().remove(self->directory_, [self, done = std::move(done)](Result<void> removed) mutable {
      if (self->alive_) done(std::move(removed));
    });
  });
}

}  // namespace sluice::storage
