#!/usr/bin/env python3
"""How long a killed broker takes to serve again, with its journal as full as checkpoints let it get and cold caches.

    scripts/bench_start.py [--partitions N] [--batch BYTES] [--shards N] [--warm] [--json FILE]

Loads small batches until the journal has been at its fullest once, and again until it is nearly as full; kills the
broker with -9, drops the machine's caches (needs root; --warm leaves them), starts it, and takes the time from the start
of the process until every partition has acknowledged a record and served it.
"""
import argparse
import json
import os
import pathlib
import sys
import time

import bench_broker as bench

wire = bench.wire
NEARLY = 0.95


def fill(broker, load, limit_bytes):
    """Returns what the journal used in the end, and its peak before."""
    peak = used = 0
    peaked = False
    batches = 0
    while batches < limit_bytes:
        for _ in range(4):
            bench.base_offsets(load.step())
            batches += len(load.frames[0])
        used = broker.metric("sluice_journal_used_bytes")
        if used < peak * 0.8:
            peaked = True
        peak = max(peak, used)
        if peaked and used >= peak * NEARLY:
            break
    return used, peak


def drop_caches():
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except PermissionError:
        sys.exit("bench: dropping the caches needs root; --warm leaves them as they are")


def read_all(connection, topic, offsets):
    """Reads a record of every partition at its offset."""
    left = dict(offsets)
    while left:
        wanted = list(left.items())[:250]
        connection.send(wire.fetch(0, -1, [(topic, index, offset) for index, offset in wanted], wait_ms=500,
                                   max_bytes=64 << 20))
        for (_, index), part in wire.fetched(connection.reply()[1], 11).partitions.items():
            if part.error:
                sys.exit(f"bench: partition {index} can't be read: error {part.error}")
            if part.records:
                left.pop(index, None)


def measure(partitions, batch_bytes, warm, flags=(), binary=None):
    with bench.Broker(binary, flags) as broker:
        broker.start()
        connection = broker.connect()
        bench.create_topic(connection, "start", partitions)
        records = bench.batch(batch_bytes)
        frame = bench.produce_frame("start", range(partitions), records)
        capacity = broker.metric("sluice_journal_capacity_bytes")
        begin = time.monotonic()
        used, peak = fill(broker, bench.Load(connection, [frame], 8), 4 * capacity)
        fill_s = time.monotonic() - begin
        broker.kill()
        if not warm:
            drop_caches()
        begin = time.monotonic()
        ready_s = broker.start()
        connection = broker.connect()
        connection.send(frame)
        offsets = bench.base_offsets(connection.reply()[1])
        acknowledged_s = time.monotonic() - begin
        read_all(connection, "start", offsets)
        served_s = time.monotonic() - begin
        cpu_s = broker.cpu_seconds()
        return {
            "partitions": partitions, "batch_bytes": len(records), "batches_each": min(offsets.values()),
            "journal_mib": round(used / 2**20), "journal_peak_mib": round(peak / 2**20), "fill_s": round(fill_s, 1),
            "ready_s": round(ready_s, 3), "acknowledged_s": round(acknowledged_s, 3), "served_s": round(served_s, 3),
            "cpu_s": round(cpu_s, 2),
            "peak_rss_mib": round(broker.resident_bytes("VmHWM") / 2**20),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--binary")
    parser.add_argument("--json", help="write the figures there")
    options = parser.parse_args()
    flags = ["--shards", str(options.shards)] if options.shards else []
    figures = measure(options.partitions, options.batch, options.warm, flags, options.binary)
    print(json.dumps(figures))
    if options.json:
        with open(options.json, "w") as out:
            json.dump(figures, out, indent=1)


if __name__ == "__main__":
    main()
