#include "tests/sim/disk/sim_store.h"

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_map>
#include <utility>

#include "protocol/base/check.h"
#include "tests/sim/disk/sim_disk_state.h"

namespace sluice::sim {
namespace {

constexpr std::uint64_t kUnlimitedBytes = std::uint64_t{1} << 44;

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, slash - at);
    CHECK(part != "..", "the simulated disk knows no ..");
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    at = slash + 1;
  }
  return parts;
}

SimNodePtr new_directory() {
  auto node = std::make_shared<SimNode>();
  node->is_directory = true;
  return node;
}

void visit_files(const SimNode& directory, const std::string& path,
                 const std::function<void(const std::string&, const SimNode&)>& visit) {
  for (const auto& [name, node] : directory.entries) {
    const std::string at = path + "/" + name;
    if (node->is_directory) {
      visit_files(*node, at, visit);
    } else {
      visit(at, *node);
    }
  }
}

std::vector<std::byte> all_of(const SparseBytes& bytes) {
  std::vector<std::byte> content(bytes.size());
  bytes.read(0, content);
  return content;
}

}  // namespace

SimStore::SimStore(std::uint64_t seed) : root_(new_directory()), random_(seed) {}

SimStore::~SimStore() { CHECK(disks_.empty(), "a SimStore outlives the SimDisks on it"); }

SimStore::Place SimStore::find(const std::string& path) const {
  Place place{root_, "", root_};
  for (std::string& part : parts_of(path)) {
    if (!place.node || !place.node->is_directory) return {};
    place.directory = place.node;
    place.name = std::move(part);
    const auto entry = place.directory->entries.find(place.name);
    place.node = entry == place.directory->entries.end() ? nullptr : entry->second;
  }
  return place;
}

void SimStore::change_names(std::vector<Assignment> assignments) {
  for (const Assignment& change : assignments) {
    if (change.target) {
      change.directory->entries[change.name] = change.target;
    } else {
      change.directory->entries.erase(change.name);
    }
  }
  unsynced_names_.push_back({next_sequence_++, std::move(assignments)});
}

namespace {
using NameKey = std::pair<const SimNode*, std::string>;
}

void SimStore::sync_names(const SimNodePtr& directory, std::uint64_t mark) {
  // What the directory's changes build upon becomes durable with them.
  std::set<NameKey> needed;
  std::vector<bool> durable(unsynced_names_.size());
  for (std::size_t i = unsynced_names_.size(); i-- > 0;) {
    const NameChange& change = unsynced_names_[i];
    if (change.sequence >= mark) continue;
    durable[i] = change.assignments.back().directory == directory;
    for (const Assignment& each : change.assignments) {
      durable[i] = durable[i] || needed.contains({each.directory.get(), each.name});
    }
    if (!durable[i]) continue;
    for (const Assignment& each : change.assignments) needed.insert({each.directory.get(), each.name});
  }
  std::vector<NameChange> rest;
  for (std::size_t i = 0; i < unsynced_names_.size(); ++i) {
    if (!durable[i]) {
      rest.push_back(std::move(unsynced_names_[i]));
      continue;
    }
    for (const Assignment& each : unsynced_names_[i].assignments) {
      if (each.target) {
        each.directory->durable_entries[each.name] = each.target;
      } else {
        each.directory->durable_entries.erase(each.name);
      }
    }
  }
  unsynced_names_ = std::move(rest);
}

void SimStore::crash(Random& random) {
  disks_die();
  // Half of the file systems journal names, so that a prefix of all changes survives; on the others any may be lost,
  // with what builds upon it.
  const bool in_order = random.one_in(2);
  std::size_t journaled = static_cast<std::size_t>(random.below(unsynced_names_.size() + 1));
  std::set<NameKey> lost;
  for (NameChange& change : unsynced_names_) {
    bool survives = in_order ? journaled > 0 : random.one_in(2);
    if (journaled > 0) --journaled;
    for (const Assignment& each : change.assignments) {
      survives = survives && !lost.contains({each.directory.get(), each.name});
    }
    for (const Assignment& each : change.assignments) {
      if (!survives) {
        lost.insert({each.directory.get(), each.name});
      } else if (each.target) {
        each.directory->durable_entries[each.name] = each.target;
      } else {
        each.directory->durable_entries.erase(each.name);
      }
    }
  }
  unsynced_names_.clear();
  std::set<SimNode*> seen;
  const std::function<void(SimNode&)> settle = [&](SimNode& node) {
    if (!seen.insert(&node).second) return;
    node.entries = node.durable_entries;
    if (!node.is_directory) node.content.crash(random);
    for (auto& entry : node.entries) settle(*entry.second);
  };
  settle(*root_);
}

void SimStore::kill() { disks_die(); }

void SimStore::disks_die() {
  // What one disk's callbacks own may be another disk.
  std::vector<std::shared_ptr<SimDiskState>> dying;
  for (SimDiskState* disk : std::exchange(disks_, {})) dying.push_back(disk->shared_from_this());
  for (const auto& disk : dying) disk->die();
}

void SimStore::apply_under_way(const SimNodePtr& node, std::uint64_t offset, ByteSpan from) {
  switch (random_.below(3)) {
    case 0: return;
    case 1: node->content.write(offset, from); return;
    default: node->content.write(offset, from.first(random_.below(from.size() + 1))); return;
  }
}

void SimStore::apply_remove(const std::string& path) {
  const Place place = find(path);
  if (!place.node || place.name.empty()) return;
  if (place.node->is_directory && !place.node->entries.empty()) return;
  change_names({{place.directory, place.name, nullptr}});
}

SimStore::FaultId SimStore::inject(SimFault fault) {
  CHECK(fault.one_in > 0);
  faults_.push_back({++last_fault_, std::move(fault), 0});
  return last_fault_;
}

void SimStore::clear_fault(FaultId id) {
  std::erase_if(faults_, [id](const PlannedFault& planned) { return planned.id == id; });
}

void SimStore::clear_faults() { faults_.clear(); }

void SimStore::stall(std::string path_contains, Nanos extra) {
  if (extra == Nanos(0)) {
    stalls_.erase(path_contains);
  } else {
    stalls_[std::move(path_contains)] = extra;
  }
}

Nanos SimStore::stall_of(const std::string& path) const {
  Nanos extra{0};
  for (const auto& [part, duration] : stalls_) {
    if (path.find(part) != std::string::npos) extra = std::max(extra, duration);
  }
  return extra;
}

SimStore::Outcome SimStore::outcome_of(SimOp op, const std::string& path) {
  Outcome outcome;
  for (PlannedFault& planned : faults_) {
    const SimFault& fault = planned.fault;
    if (fault.op != op || path.find(fault.path_contains) == std::string::npos) continue;
    const std::uint64_t nth = planned.seen++;
    if (nth < fault.skip || nth - fault.skip >= fault.times || !random_.one_in(fault.one_in)) continue;
    if (fault.short_write) {
      outcome.short_write = true;
    } else {
      outcome.error = fault.error;
    }
  }
  return outcome;
}

std::uint64_t SimStore::used_bytes() const {
  std::uint64_t used = 0;
  visit_files(*root_, "",
              [&used](const std::string&, const SimNode& node) { used += node.content.view().allocated_bytes(); });
  return used;
}

storage::DiskSpace SimStore::space() const {
  if (capacity_bytes_ == 0) return {kUnlimitedBytes, kUnlimitedBytes};
  const std::uint64_t used = used_bytes();
  return {used < capacity_bytes_ ? capacity_bytes_ - used : 0, capacity_bytes_};
}

bool SimStore::write(const SimNodePtr& node, std::uint64_t offset, ByteSpan from, bool durable) {
  std::size_t fits = from.size();
  if (capacity_bytes_ != 0) {
    std::uint64_t free_blocks = space().free_bytes / SparseBytes::kBlock;
    const SparseBytes& view = node->content.view();
    if (view.missing_blocks(offset, fits) > free_blocks) {
      fits = 0;
      while (fits < from.size()) {
        const std::uint64_t at = offset + fits;
        const std::size_t step = std::min(from.size() - fits, SparseBytes::kBlock - at % SparseBytes::kBlock);
        const std::uint64_t missing = view.missing_blocks(at, step);
        if (missing > free_blocks) break;
        free_blocks -= missing;
        fits += step;
      }
    }
  }
  if (durable && fits == from.size()) {
    node->content.write_durable(offset, from);
  } else {
    node->content.write(offset, from.first(fits));
  }
  return fits == from.size();
}

Result<void> SimStore::make_dirs(const std::string& path) {
  SimNodePtr at = root_;
  for (const std::string& part : parts_of(path)) {
    const auto entry = at->entries.find(part);
    if (entry == at->entries.end()) {
      SimNodePtr made = new_directory();
      change_names({{at, part, made}});
      at = std::move(made);
    } else {
      at = entry->second;
    }
    if (!at->is_directory) return fail(Errc::io_error, "make directories " + path + ": Not a directory");
  }
  return {};
}

void SimStore::make_durable_dirs(const std::string& path) {
  CHECK(make_dirs(path).has_value());
  SimNodePtr at = root_;
  for (const std::string& part : parts_of(path)) {
    sync_names(at, names_mark());
    at = at->entries.at(part);
  }
}

void SimStore::put_file(const std::string& path, ByteSpan content) {
  make_durable_dirs(path.substr(0, path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/')));
  Place place = find(path);
  if (!place.node) {
    place.node = std::make_shared<SimNode>();
    change_names({{place.directory, place.name, place.node}});
  }
  sync_names(place.directory, names_mark());
  place.node->content.truncate(0);
  place.node->content.write(0, content);
  place.node->content.sync(place.node->content.mark());
}

void SimStore::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const Place place = find(path);
  CHECK(place.node && !place.node->is_directory, "there is no such file to flip a bit of");
  place.node->content.flip_bit(offset, bit);
}

void SimStore::overwrite(const std::string& path, std::uint64_t offset, ByteSpan bytes) {
  const Place place = find(path);
  CHECK(place.node && !place.node->is_directory, "there is no such file to overwrite");
  place.node->content.overwrite(offset, bytes);
}

Result<std::vector<std::byte>> SimStore::read_view(const std::string& path) const {
  const Place place = find(path);
  if (!place.node || place.node->is_directory) return fail(Errc::not_found, "no file " + path);
  return all_of(place.node->content.view());
}

Result<std::vector<std::byte>> SimStore::read_durable(const std::string& path) const {
  SimNodePtr at = root_;
  for (const std::string& part : parts_of(path)) {
    const auto entry = at->durable_entries.find(part);
    if (entry == at->durable_entries.end()) return fail(Errc::not_found, "no durable file " + path);
    at = entry->second;
  }
  if (at->is_directory) return fail(Errc::not_found, path + " is a directory");
  return all_of(at->content.durable());
}

std::vector<std::string> SimStore::files() const {
  std::vector<std::string> paths;
  visit_files(*root_, "", [&paths](const std::string& path, const SimNode&) { paths.push_back(path); });
  std::sort(paths.begin(), paths.end());
  return paths;
}

void SimStore::wipe() {
  CHECK(disks_.empty(), "a disk is emptied while a process uses it");
  unsynced_names_.clear();
  root_ = new_directory();
}

std::unique_ptr<SimStore> SimStore::clone() const {
  auto copy = std::make_unique<SimStore>();
  copy->random_ = random_;
  copy->capacity_bytes_ = capacity_bytes_;
  copy->next_sequence_ = next_sequence_;
  std::unordered_map<const SimNode*, SimNodePtr> copies;
  const std::function<SimNodePtr(const SimNodePtr&)> copy_of = [&](const SimNodePtr& node) -> SimNodePtr {
    if (!node) return nullptr;
    if (const auto found = copies.find(node.get()); found != copies.end()) return found->second;
    auto fresh = std::make_shared<SimNode>();
    copies.emplace(node.get(), fresh);
    fresh->is_directory = node->is_directory;
    fresh->content = node->content;
    for (const auto& [name, entry] : node->entries) fresh->entries[name] = copy_of(entry);
    for (const auto& [name, entry] : node->durable_entries) fresh->durable_entries[name] = copy_of(entry);
    return fresh;
  };
  copy->root_ = copy_of(root_);
  for (const NameChange& change : unsynced_names_) {
    NameChange& into = copy->unsynced_names_.emplace_back(change);
    for (Assignment& each : into.assignments) {
      each.directory = copy_of(each.directory);
      each.target = copy_of(each.target);
    }
  }
  return copy;
}

}  // namespace sluice::sim
