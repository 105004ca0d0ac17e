"""How long a killed broker takes to serve again, with its journal as full as checkpoints let it get, and cold caches.

Small batches are loaded until the journal has been at its fullest once, and again until it is nearly as full; then it is
killed with -9 and the machine's caches are dropped (which needs root). Taken is the time from the start of the process
until every partition has acknowledged a record and served it.
"""
import os
import pathlib
import time

import bench_load as load
import bench_servers as servers
import wire
from bench_figures import Figure, Table

PARTITIONS = 1000
BATCH_BYTES = 200
PARTITIONS_A_FETCH = 250


def fill(broker, sender):
    """Returns what the journal uses in the end, and did at its peak."""
    peak = used = 0
    peaked = False
    while not peaked or used < 0.95 * peak:
        for _ in range(4):
            load.base_offsets(sender.step())
        used = load.metric(broker, "sluice_journal_used_bytes")
        peaked = peaked or used < peak * 0.8
        peak = max(peak, used)
    return used, peak


def drop_caches():
    """Whether the machine let us."""
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def read_all(connection, topic, offsets):
    """Reads the record of every partition at its offset."""
    left = dict(offsets)
    while left:
        wanted = list(left.items())[:PARTITIONS_A_FETCH]
        connection.send(wire.fetch(0, -1, [(topic, index, offset) for index, offset in wanted], wait_ms=500,
                                   max_bytes=64 << 20))
        for (_, index), part in wire.fetched(connection.reply()[1], 11).partitions.items():
            if part.error:
                raise SystemExit(f"bench: partition {index} can't be read: error {part.error}")
            if part.records:
                left.pop(index, None)


def measure():
    with servers.Scratch() as directory:
        broker = load.broker(directory).start()
        connection = wire.Connection(broker, load.LIMIT_S)
        load.create_topic(connection, "start", PARTITIONS)
        frame = load.produce_frame("start", range(PARTITIONS), load.batch(BATCH_BYTES))
        used, peak = fill(broker, load.Load(connection, [frame], 8))
        broker.kill()
        cold = drop_caches()
        broker.port = 0
        begin = time.monotonic()
        broker.start()
        ready_s = time.monotonic() - begin
        connection = wire.Connection(broker, load.LIMIT_S)
        connection.send(frame)
        offsets = load.base_offsets(connection.reply()[1])
        read_all(connection, "start", offsets)
        served_s = time.monotonic() - begin
        figures = {"served_s": served_s, "ready_s": ready_s, "cpu_s": broker.cpu_seconds(), "cold": cold,
                   "resident": load.resident_mib(broker, "VmHWM"), "used": used / 2**20, "peak": peak / 2**20}
        broker.kill()
        return figures


def run(options):
    served = Figure("start", "all partitions served", "s", "", 2)
    cpu = Figure("start", "CPU until then", "s", "", None)
    resident = Figure("start", "most resident memory", "MiB", "", None, digits=0)
    for _ in range(options.rounds):
        seen = measure()
        served.add(None, seen["served_s"])
        cpu.add(None, seen["cpu_s"])
        resident.add(None, seen["resident"])
    return Table("start", "start after kill -9 with a full journal", [
        f"{PARTITIONS} partitions, batches of {BATCH_BYTES} B, default settings, "
        + ("cold caches." if seen["cold"] else "WARM caches: dropping them needs root."),
    ], [served, cpu, resident],
        [f"the journal held {seen['used']:.0f} MiB when the broker was killed, and {seen['peak']:.0f} MiB at its fullest"])
