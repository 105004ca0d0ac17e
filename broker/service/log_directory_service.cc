#include "broker/service/log_directory_service.h"

#include "broker/service/shard_services.h"

namespace sluice::broker {
namespace {

std::vector<LogDirectory::Entry> sizes_here(const Shard& shard) {
  std::vector<LogDirectory::Entry> entries;
  for (const auto& replica : shard.replicas())
    for (const auto& [id, partition] : replica->partitions())
      if (partition->log) entries.push_back({id.topic, id.index, partition->log->size_bytes()});
  return entries;
}

}  // namespace

void LogDirectoryService::describe(UniqueFunction<void(LogDirectory)> done) {
  struct Call {
    LogDirectory directory;
    std::uint32_t waiting = 0;
    UniqueFunction<void(LogDirectory)> done;
  };
  auto call = std::make_shared<Call>();
  call->waiting = context_.shard_count;
  call->done = std::move(done);
  call->directory.path = context_.options.data_directory;
  if (const auto space = context_.shard->disk_space()) {
    call->directory.total_bytes = space->total_bytes;
    call->directory.free_bytes = space->free_bytes;
  } else {
    call->directory.error = space.error();
  }
  for (std::uint32_t shard = 0; shard < context_.shard_count; ++shard)
    context_.post(ShardId(shard), [this, call, origin = context_.id](ShardServices& there) {
      there.post(origin, [this, call, entries = sizes_here(there.shard())](ShardServices&) mutable {
        keep_live(entries);
        auto& all = call->directory.partitions;
        all.insert(all.end(), entries.begin(), entries.end());
        if (--call->waiting == 0) call->done(std::move(call->directory));
      });
    });
}

void LogDirectoryService::keep_live(std::vector<LogDirectory::Entry>& entries) const {
  std::erase_if(entries, [&](const LogDirectory::Entry& entry) {
    const TopicInfo* const topic = context_.view.find(entry.topic);
    return topic == nullptr || topic->phase != TopicPhase::live ||
           static_cast<std::size_t>(entry.partition.value) >= topic->partitions.size();
  });
}

}  // namespace sluice::broker
