#include "tests/sim/net/sim_connection.h"

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"
#include "tests/sim/net/sim_network.h"

namespace sluice::sim {

void SimConnection::read(int side, MutableByteSpan into, UniqueFunction<void(Result<std::size_t>)> done) {
  End& end = ends[side];
  CHECK(!into.empty());
  CHECK(!end.read_done, "one read at a time");
  if (end.closed) return;
  end.into = into;
  end.read_done = std::move(done);
  schedule_delivery(side);
}

void SimConnection::write(int side, std::vector<SharedBytes> pieces, UniqueFunction<void(Result<void>)> done) {
  End& end = ends[side];
  CHECK(!end.write_done, "one write at a time");
  if (end.closed) return;
  end.write_done = std::move(done);
  for (SharedBytes& piece : pieces) {
    if (!piece.empty()) end.unsent.push_back(std::move(piece));
  }
  pump(side);
}

void SimConnection::close(int side) {
  End& end = ends[side];
  if (std::exchange(end.closed, true)) return;
  end.unsent.clear();
  end.arrived.clear();
  if (!end.broken && !ends[1 - side].closed) send_chunk(side, {});
  const auto keep = shared_from_this();  // a callback may own the stream that owns this
  const auto read_done = std::exchange(end.read_done, nullptr);
  const auto write_done = std::exchange(end.write_done, nullptr);
}

void SimConnection::cut() {
  cut_ = true;
  for (const int side : {0, 1}) {
    End& end = ends[side];
    end.on_the_way.clear();
    end.bytes_on_the_way = 0;
    end.held_back = 0;
    end.unsent.clear();
    network_.scheduler().schedule_after(network_.delay(), network_.owner(),
                                        [self = shared_from_this(), side] { self->break_end(side); });
  }
}

void SimConnection::unblock() {
  for (const int side : {0, 1}) {
    for (std::size_t n = std::exchange(ends[side].held_back, 0); n > 0; --n) schedule_arrival(side);
  }
}

void SimConnection::pump(int side) {
  End& from = ends[side];
  End& to = ends[1 - side];
  if (from.broken) {
    schedule_write_done(side, fail(Errc::io_error, "writing to " + from.peer + ": connection reset by peer"));
    return;
  }
  if (to.closed) {  // it answers with a reset
    from.unsent.clear();
    network_.scheduler().schedule_after(network_.delay(), network_.owner(),
                                        [self = shared_from_this(), side] { self->break_end(side); });
    return;
  }
  const SimNetOptions& options = network_.options();
  while (!from.unsent.empty()) {
    const std::size_t used = to.bytes_on_the_way + to.arrived.size();
    if (used >= options.window_bytes) return;
    SharedBytes& piece = from.unsent.front();
    const std::size_t size = std::min({piece.size(), options.window_bytes - used, options.max_chunk_bytes});
    send_chunk(side, std::vector<std::byte>(piece.data(), piece.data() + size));
    if (size == piece.size()) {
      from.unsent.pop_front();
    } else {
      piece = piece.slice(size, piece.size() - size);
    }
  }
  if (from.write_done) schedule_write_done(side, {});
}

void SimConnection::send_chunk(int side, std::vector<std::byte> chunk) {
  if (cut_) return;  // lost, as all that was on its way
  End& to = ends[1 - side];
  to.bytes_on_the_way += chunk.size();
  to.on_the_way.push_back(std::move(chunk));
  schedule_arrival(1 - side);
}

void SimConnection::schedule_arrival(int side) {
  End& to = ends[side];
  SimScheduler& scheduler = network_.scheduler();
  to.last_arrival = std::max(to.last_arrival, scheduler.now() + network_.delay());
  scheduler.schedule_at(to.last_arrival, network_.owner(), [self = shared_from_this(), side] { self->arrive(side); });
}

// Events of one pipe may come in any order; each brings the chunk that is first in line.
void SimConnection::arrive(int side) {
  End& to = ends[side];
  if (to.on_the_way.size() <= to.held_back) return;  // cut meanwhile
  if (network_.blocked(ends[0].owner, ends[1].owner)) {
    ++to.held_back;
    return;
  }
  const std::vector<std::byte> chunk = std::move(to.on_the_way.front());
  to.on_the_way.pop_front();
  to.bytes_on_the_way -= chunk.size();
  if (chunk.empty()) {
    to.ended = true;
  } else if (!to.closed) {
    to.arrived.insert(to.arrived.end(), chunk.begin(), chunk.end());
  }
  schedule_delivery(side);
}

void SimConnection::schedule_delivery(int side) {
  End& end = ends[side];
  if (end.closed || !end.read_done || end.delivery_due) return;
  if (end.arrived.empty() && !end.ended && !end.broken) return;
  end.delivery_due = true;
  network_.scheduler().schedule_after(Nanos(0), end.owner, [self = shared_from_this(), side] { self->deliver(side); });
}

void SimConnection::deliver(int side) {
  End& end = ends[side];
  end.delivery_due = false;
  if (end.closed || !end.read_done) return;
  auto done = std::exchange(end.read_done, nullptr);
  if (end.broken) {
    done(fail(Errc::io_error, "reading from " + end.peer + ": connection reset by peer"));
    return;
  }
  std::size_t size = std::min(end.arrived.size(), end.into.size());
  const std::uint64_t one_in = network_.options().short_read_one_in;
  if (size > 1 && one_in > 0 && network_.random().one_in(one_in)) size = 1 + network_.random().below(size - 1);
  std::copy_n(end.arrived.begin(), size, end.into.begin());
  end.arrived.erase(end.arrived.begin(), end.arrived.begin() + static_cast<std::ptrdiff_t>(size));
  if (!ends[1 - side].unsent.empty()) pump(1 - side);
  done(size);
}

void SimConnection::schedule_write_done(int side, Result<void> outcome) {
  End& end = ends[side];
  if (end.write_done_due) return;
  end.write_done_due = true;
  network_.scheduler().schedule_after(Nanos(0), end.owner,
                                      [self = shared_from_this(), side, outcome = std::move(outcome)]() mutable {
                                        End& mine = self->ends[side];
                                        mine.write_done_due = false;
                                        if (mine.closed || !mine.write_done) return;
                                        auto done = std::exchange(mine.write_done, nullptr);
                                        done(std::move(outcome));
                                      });
}

void SimConnection::break_end(int side) {
  End& end = ends[side];
  if (end.closed || end.broken) return;
  end.broken = true;
  end.arrived.clear();
  end.unsent.clear();
  schedule_delivery(side);
  if (end.write_done) {
    schedule_write_done(side, fail(Errc::io_error, "writing to " + end.peer + ": connection reset by peer"));
  }
}

}  // namespace sluice::sim
