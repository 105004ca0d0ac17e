#include "tests/sim/disk/power_loss_disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::sim {

namespace fs = std::filesystem;
using storage::IoDone;
using storage::ReadDone;

// What the disk and its files share; outlives the disk for the files' sake.
class PowerLossState {
 public:
  struct Write {
    SimNodePtr node;
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };

  PowerLossState(PowerLossMedium& its_medium, std::unique_ptr<storage::Disk> its_real)
      : medium(its_medium), real(std::move(its_real)) {}

  SimStore& store() { return medium.store_; }

  /// The real disk ends what it has in hand and tells nobody; for the store it may have happened or not.
  void die() {
    if (dead) return;
    dead = true;
    real.reset();
    for (const auto& [id, write] : writes) store().apply_under_way(write.node, write.offset, write.bytes);
    for (const auto& [id, path] : removals) {
      if (store().random_.one_in(2)) store().apply_remove(path);
    }
  }

  PowerLossMedium& medium;
  std::unique_ptr<storage::Disk> real;
  std::map<std::uint64_t, Write> writes;  // under way
  std::map<std::uint64_t, std::string> removals;
  std::uint64_t last_id = 0;
  bool dead = false;
};

namespace {

std::vector<std::byte> bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::byte> content;
  std::transform(std::istreambuf_iterator<char>(in), {}, std::back_inserter(content),
                 [](char c) { return static_cast<std::byte>(c); });
  return content;
}

std::vector<std::byte> view_of(const SimNode& node) {
  std::vector<std::byte> content(node.content.view().size());
  node.content.view().read(0, content);
  return content;
}

void visit(const SimNode& node, const std::string& path,
           const std::function<void(const std::string&, const SimNode&)>& visitor) {
  visitor(path, node);
  for (const auto& [name, entry] : node.entries) visit(*entry, path + "/" + name, visitor);
}

}  // namespace

class PowerLossFile final : public storage::File {
 public:
  PowerLossFile(std::shared_ptr<PowerLossState> disk, std::unique_ptr<storage::File> real, SimNodePtr node)
      : disk_(std::move(disk)), real_(std::move(real)), node_(std::move(node)) {}

  void read(std::uint64_t offset, MutableByteSpan into, ReadDone done) override {
    if (!disk_->dead) real_->read(offset, into, std::move(done));
  }

  void write(std::uint64_t offset, ByteSpan from, storage::WriteSync sync, IoDone done) override {
    if (disk_->dead) return;
    const std::uint64_t id = ++disk_->last_id;
    disk_->writes[id] = {node_, offset, {from.begin(), from.end()}};
    const bool dsync = sync == storage::WriteSync::dsync;
    real_->write(offset, from, sync,
                 [disk = disk_.get(), id, dsync, done = std::move(done)](Result<void> result) mutable {
                   const auto write = disk->writes.extract(id);
                   SimContent& content = write.mapped().node->content;
                   if (result && dsync) {
                     content.write_durable(write.mapped().offset, write.mapped().bytes);
                   } else if (result) {
                     content.write(write.mapped().offset, write.mapped().bytes);
                   } else {
                     disk->store().apply_under_way(write.mapped().node, write.mapped().offset, write.mapped().bytes);
                   }
                   done(std::move(result));
                 });
  }

  void sync(IoDone done) override {
    if (disk_->dead) return;
    real_->sync([node = node_, mark = node_->content.mark(), done = std::move(done)](Result<void> result) mutable {
      if (result) {
        node->content.sync(mark);
      } else {
        node->content.fail_sync(mark);
      }
      done(std::move(result));
    });
  }

  Result<void> truncate(std::uint64_t size) override {
    if (disk_->dead) return fail(Errc::io_error, "truncate " + path() + ": the power is lost");
    auto done = real_->truncate(size);
    if (done) node_->content.truncate(size);
    return done;
  }
  Result<std::uint64_t> size() override { return real_->size(); }
  bool direct() const override { return real_->direct(); }
  const std::string& path() const override { return real_->path(); }

 private:
  std::shared_ptr<PowerLossState> disk_;
  std::unique_ptr<storage::File> real_;
  SimNodePtr node_;
};

PowerLossMedium::PowerLossMedium(std::string root, std::uint64_t seed) : root_(std::move(root)), store_(seed) {
  CHECK(root_.starts_with('/') && root_.size() > 1, "the directory is named by an absolute path");
  store_.make_durable_dirs(root_);
  const auto imported = import_tree(root_);
  CHECK(imported.has_value(), "the directory can't be read");
}

PowerLossMedium::~PowerLossMedium() { CHECK(disks_.empty(), "a PowerLossMedium outlives the disks on it"); }

Result<void> PowerLossMedium::import_tree(const std::string& path) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    if (entry.is_directory()) {
      store_.make_durable_dirs(entry.path().string());
    } else {
      import_file(entry.path().string(), bytes_of(entry.path()));
    }
  }
  if (error) return fail(Errc::io_error, "list " + path + ": " + error.message());
  return {};
}

void PowerLossMedium::import_file(const std::string& path, ByteSpan content) { store_.put_file(path, content); }

Result<void> PowerLossMedium::export_tree() const {
  std::error_code error;
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(root_, error)) old.push_back(entry.path());
  for (const fs::path& path : old) fs::remove_all(path, error);
  if (error) return fail(Errc::io_error, "empty " + root_ + ": " + error.message());
  Result<void> outcome;
  visit(*store_.find(root_).node, root_, [&](const std::string& path, const SimNode& node) {
    if (node.is_directory) {
      fs::create_directories(path, error);
      return;
    }
    const auto content = view_of(node);
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    if (!out.flush()) outcome = fail(Errc::io_error, "write " + path);
  });
  if (error) return fail(Errc::io_error, "make directories below " + root_ + ": " + error.message());
  return outcome;
}

Result<void> PowerLossMedium::lose_power(Random& random) {
  for (PowerLossState* disk : std::exchange(disks_, {})) disk->die();
  store_.crash(random);
  store_.make_durable_dirs(root_);
  return export_tree();
}

Result<void> PowerLossMedium::check_agreement() const {
  Result<void> outcome;
  std::vector<std::string> expected;
  visit(*store_.find(root_).node, root_, [&](const std::string& path, const SimNode& node) {
    expected.push_back(path);
    if (!fs::exists(path)) {
      outcome = fail(Errc::corrupt, path + " is missing");
    } else if (!node.is_directory && bytes_of(path) != view_of(node)) {
      outcome = fail(Errc::corrupt, path + " does not hold what was written to it");
    }
  });
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (std::find(expected.begin(), expected.end(), entry.path().string()) == expected.end()) {
      outcome = fail(Errc::corrupt, entry.path().string() + " should not be there");
    }
  }
  return outcome;
}

PowerLossDisk::PowerLossDisk(PowerLossMedium& medium, std::unique_ptr<storage::Disk> real)
    : state_(std::make_shared<PowerLossState>(medium, std::move(real))) {
  medium.disks_.push_back(state_.get());
}

PowerLossDisk::~PowerLossDisk() {
  if (state_->dead) return;
  std::erase(state_->medium.disks_, state_.get());
  state_->die();
}

Result<std::unique_ptr<storage::File>> PowerLossDisk::open(const std::string& path, storage::OpenOptions options) {
  if (state_->dead) return fail(Errc::io_error, "open " + path + ": the power is lost");
  SimStore& store = state_->store();
  if (!store.find(path).node && fs::is_regular_file(path)) state_->medium.import_file(path, bytes_of(path));
  auto real = state_->real->open(path, options);
  if (!real) return real;
  auto place = store.find(path);
  CHECK(place.directory != nullptr, "a file is opened outside of the directory whose power may be lost");
  if (!place.node) {
    place.node = std::make_shared<SimNode>();
    store.change_names({{place.directory, place.name, place.node}});
  }
  return std::make_unique<PowerLossFile>(state_, std::move(*real), std::move(place.node));
}

Result<std::vector<storage::DirEntry>> PowerLossDisk::list(const std::string& path) {
  if (state_->dead) return fail(Errc::io_error, "list " + path + ": the power is lost");
  return state_->real->list(path);
}

Result<void> PowerLossDisk::make_dirs(const std::string& path) {
  if (state_->dead) return fail(Errc::io_error, "make directories " + path + ": the power is lost");
  if (auto made = state_->real->make_dirs(path); !made) return made;
  return state_->store().make_dirs(path);
}

Result<void> PowerLossDisk::rename(const std::string& from, const std::string& to) {
  if (state_->dead) return fail(Errc::io_error, "rename " + from + ": the power is lost");
  if (auto renamed = state_->real->rename(from, to); !renamed) return renamed;
  SimStore& store = state_->store();
  const auto source = store.find(from);
  const auto target = store.find(to);
  CHECK(source.node && target.directory, "something is renamed that is unknown, or into elsewhere");
  if (source.node == target.node) return {};
  store.change_names({{source.directory, source.name, nullptr}, {target.directory, target.name, source.node}});
  return {};
}

Result<bool> PowerLossDisk::exists(const std::string& path) {
  if (state_->dead) return fail(Errc::io_error, "look for " + path + ": the power is lost");
  return state_->real->exists(path);
}

Result<storage::DiskSpace> PowerLossDisk::space(const std::string& path) {
  if (state_->dead) return fail(Errc::io_error, "space of " + path + ": the power is lost");
  return state_->real->space(path);
}

void PowerLossDisk::sync_dir(const std::string& path, IoDone done) {
  if (state_->dead) return;
  SimStore& store = state_->store();
  state_->real->sync_dir(path, [&store, node = store.find(path).node, mark = store.names_mark(),
                                done = std::move(done)](Result<void> result) mutable {
    if (result && node) store.sync_names(node, mark);
    done(std::move(result));
  });
}

void PowerLossDisk::remove(const std::string& path, IoDone done) {
  if (state_->dead) return;
  const std::uint64_t id = ++state_->last_id;
  state_->removals[id] = path;
  state_->real->remove(path, [disk = state_.get(), id, done = std::move(done)](Result<void> result) mutable {
    const auto removal = disk->removals.extract(id);
    if (result) disk->store().apply_remove(removal.mapped());
    done(std::move(result));
  });
}

std::size_t PowerLossDisk::poll() { return state_->dead ? 0 : state_->real->poll(); }
int PowerLossDisk::wake_fd() const { return state_->dead ? -1 : state_->real->wake_fd(); }
void PowerLossDisk::wait() {
  CHECK(!state_->dead, "a process whose power is lost waits for its disk");
  state_->real->wait();
}
std::size_t PowerLossDisk::in_flight() const { return state_->dead ? 0 : state_->real->in_flight(); }
std::string_view PowerLossDisk::name() const { return state_->dead ? "none" : state_->real->name(); }

}  // namespace sluice::sim
