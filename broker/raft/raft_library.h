// libraft's <raft.h> for C++. The header of 0.22.1 declares types inside the sizeof of static asserts, which no C++
// compiler takes; here those asserts become empty, and raft_abi.c, as C, keeps them and says what sizes C sees.
// RAFT__LEGACY_no must never be defined: the packaged library is built without it, and it changes the structs.
// Only files of broker/raft include this.
#pragma once

#include <cstdbool>
#include <cstddef>
#include <cstdint>
#include <cstdio>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wkeyword-macro"
#pragma push_macro("static_assert")
#define static_assert(condition, message) static_assert(true, message)
extern "C" {
#include <raft.h>

/// What raft_abi.c, compiled as C, sees; must equal what C++ sees.
struct sluice_raft_abi {
  size_t raft_size, event_size, update_size, message_size, trail_offset;
  int header_version;
};
struct sluice_raft_abi sluice_raft_abi(void);
}
#pragma pop_macro("static_assert")
#pragma clang diagnostic pop

#ifdef RAFT__LEGACY_no
#error "RAFT__LEGACY_no changes libraft's structs against the packaged library"
#endif
// Who frees what differs between versions, so that a new one has to be read before it is let in.
static_assert(RAFT_VERSION_NUMBER == 2201, "broker/raft is written for libraft 0.22.1");
