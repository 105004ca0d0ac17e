// The one file that sees <raft.h> as C, with its static asserts. Owner: broker/raft (see raft_library.h).
#include <raft.h>
#include <stddef.h>

struct sluice_raft_abi {
  size_t raft_size, event_size, update_size, message_size, trail_offset;
  int header_version;
};
struct sluice_raft_abi sluice_raft_abi(void);

struct sluice_raft_abi sluice_raft_abi(void) {
  struct sluice_raft_abi abi;
  abi.raft_size = sizeof(struct raft);
  abi.event_size = sizeof(struct raft_event);
  abi.update_size = sizeof(struct raft_update);
  abi.message_size = sizeof(struct raft_message);
  abi.trail_offset = offsetof(struct raft, trail);
  abi.header_version = RAFT_VERSION_NUMBER;
  return abi;
}
