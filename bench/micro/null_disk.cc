#include "bench/micro/null_disk.h"

#include <algorithm>

namespace sluice::bench {

using storage::IoDone;

class NullDisk::NullFile final : public storage::File {
 public:
  NullFile(NullDisk& disk, std::string path, std::shared_ptr<Content> content, bool direct)
      : disk_(disk), path_(std::move(path)), content_(std::move(content)), direct_(direct) {}

  void read(std::uint64_t offset, MutableByteSpan into, storage::ReadDone done) override {
    const std::uint64_t left = content_->size - std::min(offset, content_->size);
    const std::size_t count = std::min<std::uint64_t>(into.size(), left);
    const std::vector<std::byte>& front = content_->front;
    const std::size_t kept =
        std::min<std::uint64_t>(count, front.size() - std::min<std::uint64_t>(offset, front.size()));
    std::copy_n(front.begin() + static_cast<std::ptrdiff_t>(kept > 0 ? offset : 0), kept, into.begin());
    std::ranges::fill(into.subspan(kept, count - kept), std::byte{0});
    disk_.waiting_.emplace_back([done = std::move(done), count]() mutable { done(count); });
  }
  void write(std::uint64_t offset, ByteSpan from, storage::WriteSync, IoDone done) override {
    const std::uint64_t end = offset + from.size();
    content_->size = std::max(content_->size, end);
    if (offset < kKept) {
      std::vector<std::byte>& front = content_->front;
      front.resize(std::max<std::uint64_t>(front.size(), std::min(end, kKept)));
      std::copy_n(from.begin(), std::min(end, kKept) - offset, front.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    disk_.later(std::move(done));
  }
  void sync(IoDone done) override { disk_.later(std::move(done)); }
  Result<void> truncate(std::uint64_t size) override {
    content_->size = size;
    content_->front.resize(std::min<std::uint64_t>(size, content_->front.size()));
    return {};
  }
  Result<std::uint64_t> size() override { return content_->size; }
  bool direct() const override { return direct_; }
  const std::string& path() const override { return path_; }

 private:
  NullDisk& disk_;
  const std::string path_;
  const std::shared_ptr<Content> content_;
  const bool direct_;
};

Result<std::unique_ptr<storage::File>> NullDisk::open(const std::string& path, storage::OpenOptions options) {
  auto& content = files_[path];
  if (!content) {
    if (!options.create) {
      files_.erase(path);
      return fail(Errc::not_found, path + ": the null disk has no such file");
    }
    content = std::make_shared<Content>();
  }
  return std::make_unique<NullFile>(*this, path, content, options.direct);
}

Result<std::vector<storage::DirEntry>> NullDisk::list(const std::string& path) {
  std::vector<storage::DirEntry> entries;
  for (const auto& [name, content] : files_) {
    const std::size_t slash = name.rfind('/');
    if (name.substr(0, slash) == path) entries.push_back({name.substr(slash + 1), false, content->size});
  }
  return entries;
}

Result<void> NullDisk::make_dirs(const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
    directories_.insert(path.substr(0, end));
  directories_.insert(path);
  return {};
}

Result<void> NullDisk::rename(const std::string& from, const std::string& to) {
  files_[to] = files_[from];
  files_.erase(from);
  return {};
}

void NullDisk::remove(const std::string& path, IoDone done) {
  files_.erase(path);
  later(std::move(done));
}

std::size_t NullDisk::poll() {
  std::swap(waiting_, due_);
  for (auto& done : due_) done();
  const std::size_t count = due_.size();
  due_.clear();
  return count;
}

}  // namespace sluice::bench
