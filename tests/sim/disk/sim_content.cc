#include "tests/sim/disk/sim_content.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/base/check.h"

namespace sluice::sim {
namespace {

constexpr std::uint64_t kToTheEnd = ~std::uint64_t{0};

// How one write comes through a crash.
enum class Survival { none, whole, prefix, sectors };

}  // namespace

SparseBytes::Block& SparseBytes::writable(std::uint64_t index) {
  std::shared_ptr<const Block>& block = blocks_[index];
  if (block && block.use_count() == 1) return const_cast<Block&>(*block);  // nobody else's, and made here: not const
  auto fresh = block ? std::make_shared<Block>(*block) : std::make_shared<Block>();
  Block& result = *fresh;
  block = std::move(fresh);
  return result;
}

void SparseBytes::resize(std::uint64_t size) {
  if (size < size_) {
    const std::uint64_t inside = size % kBlock;
    const std::uint64_t last = size / kBlock;
    if (inside != 0 && blocks_.contains(last)) zero(size, std::min(size_, (last + 1) * kBlock));
    blocks_.erase(blocks_.lower_bound(last + (inside != 0 ? 1 : 0)), blocks_.end());
  }
  size_ = size;
}

std::size_t SparseBytes::read(std::uint64_t offset, MutableByteSpan into) const {
  if (offset >= size_) return 0;
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t at = offset + done;
    const std::size_t inside = at % kBlock;
    const std::size_t step = std::min(count - done, kBlock - inside);
    const auto block = blocks_.find(at / kBlock);
    if (block == blocks_.end()) {
      std::memset(into.data() + done, 0, step);
    } else {
      std::memcpy(into.data() + done, block->second->data() + inside, step);
    }
    done += step;
  }
  return count;
}

void SparseBytes::write(std::uint64_t offset, ByteSpan from) {
  // Files prepared with zeros share one block: a journal of 64 MiB of them costs next to nothing.
  static const std::shared_ptr<const Block> zeros = std::make_shared<Block>();
  for (std::size_t done = 0; done < from.size();) {
    const std::uint64_t at = offset + done;
    const std::size_t inside = at % kBlock;
    const std::size_t step = std::min(from.size() - done, kBlock - inside);
    if (step == kBlock && std::memcmp(from.data() + done, zeros->data(), kBlock) == 0) {
      blocks_[at / kBlock] = zeros;
    } else {
      std::memcpy(writable(at / kBlock).data() + inside, from.data() + done, step);
    }
    done += step;
  }
  if (!from.empty()) size_ = std::max(size_, offset + from.size());
}

void SparseBytes::zero(std::uint64_t from, std::uint64_t to) {
  to = std::min(to, size_);
  while (from < to) {
    const std::size_t inside = from % kBlock;
    const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(to - from, kBlock - inside));
    if (blocks_.contains(from / kBlock)) std::memset(writable(from / kBlock).data() + inside, 0, step);
    from += step;
  }
}

std::uint64_t SparseBytes::missing_blocks(std::uint64_t offset, std::uint64_t size) const {
  if (size == 0) return 0;
  const std::uint64_t first = offset / kBlock;
  const std::uint64_t last = (offset + size - 1) / kBlock;
  std::uint64_t missing = last - first + 1;
  for (auto at = blocks_.lower_bound(first); at != blocks_.end() && at->first <= last; ++at) --missing;
  return missing;
}

void SimContent::write(std::uint64_t offset, ByteSpan from) {
  if (from.empty()) return;
  view_.write(offset, from);
  unsynced_.push_back({.sequence = next_sequence_++, .offset = offset, .bytes = {from.begin(), from.end()}});
}

void SimContent::write_durable(std::uint64_t offset, ByteSpan from) {
  view_.write(offset, from);
  // The size is journaled in order, so earlier truncations go before it.
  for (std::size_t i = 0; i < unsynced_.size(); ++i) {
    if (!unsynced_[i].is_truncate) continue;
    durable_.resize(unsynced_[i].offset);
    supersede(i, unsynced_[i].offset, kToTheEnd);
  }
  std::erase_if(unsynced_, [](const Change& change) { return change.is_truncate; });
  supersede(unsynced_.size(), offset, offset + from.size());
  drop_empty();
  durable_.write(offset, from);
}

void SimContent::truncate(std::uint64_t size) {
  view_.resize(size);
  unsynced_.push_back({.sequence = next_sequence_++, .is_truncate = true, .offset = size, .bytes = {}});
}

void SimContent::sync(std::uint64_t mark) {
  for (std::size_t i = 0; i < unsynced_.size() && unsynced_[i].sequence < mark; ++i) {
    Change& change = unsynced_[i];
    if (change.abandoned) continue;
    if (change.is_truncate) {
      durable_.resize(change.offset);
      supersede(i, change.offset, kToTheEnd);
    } else {
      durable_.write(change.offset, change.bytes);
      supersede(i, change.offset, change.offset + change.bytes.size());
    }
  }
  std::erase_if(unsynced_, [mark](const Change& change) { return change.sequence < mark && !change.abandoned; });
  drop_empty();
}

void SimContent::fail_sync(std::uint64_t mark) {
  for (Change& change : unsynced_) {
    if (change.sequence < mark && !change.is_truncate) change.abandoned = true;
  }
}

void SimContent::supersede(std::size_t count, std::uint64_t from, std::uint64_t to) {
  for (std::size_t i = 0; i < count; ++i) {
    if (unsynced_[i].is_truncate) continue;
    const std::uint64_t begin = unsynced_[i].offset;
    const std::uint64_t end = begin + unsynced_[i].bytes.size();
    if (to <= begin || end <= from) continue;
    if (begin < from && to < end) {  // the middle goes: the right part becomes a change of its own
      Change right = unsynced_[i];
      right.bytes.erase(right.bytes.begin(), right.bytes.begin() + static_cast<std::ptrdiff_t>(to - begin));
      right.offset = to;
      unsynced_[i].bytes.resize(from - begin);
      unsynced_.insert(unsynced_.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::move(right));
      ++count;
      ++i;
    } else if (begin < from) {
      unsynced_[i].bytes.resize(from - begin);
    } else if (to < end) {
      unsynced_[i].bytes.erase(unsynced_[i].bytes.begin(),
                               unsynced_[i].bytes.begin() + static_cast<std::ptrdiff_t>(to - begin));
      unsynced_[i].offset = to;
    } else {
      unsynced_[i].bytes.clear();
    }
  }
}

void SimContent::drop_empty() {
  std::erase_if(unsynced_, [](const Change& change) { return !change.is_truncate && change.bytes.empty(); });
}

void SimContent::crash(Random& random) {
  const std::uint64_t sector_size = random.one_in(2) ? 512 : 4096;
  // For each sector the last change that reached it; all before that one are in it as well.
  std::map<std::uint64_t, std::uint64_t> last_survivor;
  std::vector<bool> truncation_survives(unsynced_.size());
  for (std::size_t i = 0; i < unsynced_.size(); ++i) {
    const Change& change = unsynced_[i];
    if (change.is_truncate) {
      truncation_survives[i] = random.one_in(2);
      continue;
    }
    const std::uint64_t first = change.offset / sector_size;
    const std::uint64_t last = (change.offset + change.bytes.size() - 1) / sector_size;
    const auto survival = static_cast<Survival>(random.below(4));
    const std::uint64_t prefix = survival == Survival::prefix ? random.below(last - first + 2) : 0;
    for (std::uint64_t sector = first; sector <= last; ++sector) {
      const bool survives = survival == Survival::whole || (survival == Survival::prefix && sector - first < prefix) ||
                            (survival == Survival::sectors && random.one_in(2));
      if (survives) last_survivor[sector] = change.sequence;
    }
    // The size may have reached the disk before the bytes did: they read as zeros then.
    if (random.one_in(8)) durable_.resize(std::max(durable_.size(), change.offset + change.bytes.size()));
  }
  for (std::size_t i = 0; i < unsynced_.size(); ++i) {
    const Change& change = unsynced_[i];
    if (change.is_truncate && truncation_survives[i]) {
      durable_.resize(change.offset);
    } else if (change.is_truncate) {
      // Not cut, but sectors with later changes were written from pages that had been.
      for (auto at = last_survivor.lower_bound(change.offset / sector_size); at != last_survivor.end(); ++at) {
        if (at->second <= change.sequence) continue;
        durable_.zero(std::max(change.offset, at->first * sector_size), (at->first + 1) * sector_size);
      }
    } else {
      const std::uint64_t end = change.offset + change.bytes.size();
      for (std::uint64_t at = change.offset; at < end;) {
        const std::uint64_t next = std::min(end, (at / sector_size + 1) * sector_size);
        const auto survivor = last_survivor.find(at / sector_size);
        if (survivor != last_survivor.end() && survivor->second >= change.sequence) {
          durable_.write(at, ByteSpan(change.bytes).subspan(at - change.offset, next - at));
        }
        at = next;
      }
    }
  }
  unsynced_.clear();
  view_ = durable_;
}

void SimContent::overwrite(std::uint64_t offset, ByteSpan bytes) {
  const auto within = [offset, bytes](std::uint64_t size) {
    return offset >= size ? ByteSpan{} : bytes.first(std::min<std::uint64_t>(bytes.size(), size - offset));
  };
  view_.write(offset, within(view_.size()));
  durable_.write(offset, within(durable_.size()));
  for (Change& change : unsynced_) {
    if (change.is_truncate) continue;
    const std::uint64_t begin = std::max(offset, change.offset);
    const std::uint64_t end = std::min(offset + bytes.size(), change.offset + change.bytes.size());
    for (std::uint64_t at = begin; at < end; ++at) change.bytes[at - change.offset] = bytes[at - offset];
  }
}

void SimContent::flip_bit(std::uint64_t offset, unsigned bit) {
  CHECK(bit < 8);
  std::byte value{};
  CHECK(view_.read(offset, {&value, 1}) == 1, "there is no such byte to flip a bit of");
  value ^= static_cast<std::byte>(1U << bit);
  overwrite(offset, {&value, 1});
}

}  // namespace sluice::sim
