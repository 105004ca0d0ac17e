// What a shard's native listener counts. Owner: NativeServer; its sessions share it. Thread safety: the shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "broker/listener/connection.h"
#include "protocol/native/error_codes.h"
#include "protocol/native/kinds.h"

namespace sluice::broker {

struct NativeStats : ConnectionStats {
  /// Frames from clients, by place in native::kKinds.
  std::array<std::uint64_t, native::kKinds.size()> received{};
  /// Error codes that were told, of whole questions, of their parts, and of what nobody waits for.
  std::map<native::ErrorCode, std::uint64_t> errors;

  void started(native::FrameKind kind) {
    if (const native::KindInfo* known = native::find_kind(kind))
      ++received[static_cast<std::size_t>(known - native::kKinds.data())];
  }
};

}  // namespace sluice::broker
