// A connection of the simulated network: two ends, and a bounded pipe each way.
//
// Invariants: the bytes of a direction arrive in order and once, or the connection breaks. A pipe holds at most a
// window of bytes on their way and unread: who writes to a slow reader waits. Callbacks run as events of the process
// that owns the end, so a crash silences them; bytes on their way belong to the network and still arrive.
// Thread safety: one thread. Owner: tests/sim.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "broker/net/stream.h"
#include "tests/sim/clock/sim_clock.h"

namespace sluice::sim {

struct SimNetOptions {
  Nanos min_delay = std::chrono::microseconds(20);
  Nanos max_delay = std::chrono::microseconds(500);
  std::size_t window_bytes = 256 << 10;
  std::size_t max_chunk_bytes = 16 << 10;           ///< what arrives at once
  std::uint64_t short_read_one_in = 4;              ///< every so manyth read gets less than there is; 0 = none
  Nanos connect_timeout = std::chrono::seconds(1);  ///< when the way is blocked
};

class SimNetwork;

class SimConnection : public std::enable_shared_from_this<SimConnection> {
 public:
  struct End {
    OwnerId owner = 0;
    std::string peer;  ///< what its stream calls the other end
    bool closed = false;
    bool broken = false;
    // Its reading.
    MutableByteSpan into;
    UniqueFunction<void(Result<std::size_t>)> read_done;
    bool delivery_due = false;
    // Its writing.
    std::deque<SharedBytes> unsent;
    UniqueFunction<void(Result<void>)> write_done;
    bool write_done_due = false;
    // What comes to it.
    std::deque<std::vector<std::byte>> on_the_way;  ///< an empty chunk is the end of the stream
    std::size_t held_back = 0;                      ///< chunks of on_the_way that a block keeps from arriving
    std::deque<std::byte> arrived;
    std::size_t bytes_on_the_way = 0;
    bool ended = false;
    SteadyTime last_arrival{0};
  };

  explicit SimConnection(SimNetwork& network) : network_(network) {}

  void read(int side, MutableByteSpan into, UniqueFunction<void(Result<std::size_t>)> done);
  void write(int side, std::vector<SharedBytes> pieces, UniqueFunction<void(Result<void>)> done);
  void close(int side);
  /// Breaks the connection: what is on its way is lost, and each end finds out after a delay of its own.
  void cut();
  /// The way between the ends is open again.
  void unblock();

  End ends[2];

 private:
  void pump(int side);
  void send_chunk(int side, std::vector<std::byte> chunk);
  void schedule_arrival(int side);
  void arrive(int side);
  void schedule_delivery(int side);
  void deliver(int side);
  void schedule_write_done(int side, Result<void> outcome);
  void break_end(int side);

  SimNetwork& network_;
  bool cut_ = false;
};

}  // namespace sluice::sim
