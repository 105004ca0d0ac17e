#!/usr/bin/env python3
"""What a loaded broker costs once it is idle: resident memory, CPU, open files; and what its partitions cost on the way.

    scripts/bench_idle.py [--partitions N] [--topics N] [--mib N] [--after S] [--json FILE] [--shards N]

Makes the partitions, gives each the same share of the load, waits, and measures.
"""
import argparse
import json
import struct
import time

import bench_broker as bench

wire = bench.wire
WATCHED_S = 20
PARTITIONS_A_FRAME = 250


def metadata_seconds(connection):
    begin = time.monotonic()
    connection.send(wire.request(wire.METADATA, 1, struct.pack(">i", -1)))
    reply = connection.reply()[1]
    return time.monotonic() - begin, len(reply)


def measure(partitions, topics, mib, after_s, flags=(), binary=None):
    with bench.Broker(binary, flags) as broker:
        broker.start()
        empty = broker.resident_bytes()
        connection = broker.connect()
        each = partitions // topics
        begin = time.monotonic()
        for nth in range(topics):
            bench.create_topic(connection, f"t{nth}", each)
        create_s = time.monotonic() - begin
        made = broker.resident_bytes()
        metadata_s, metadata_bytes = min(metadata_seconds(connection) for _ in range(3))
        records = bench.batch(1024)
        frames = [bench.produce_frame(f"t{nth}", range(first, min(first + PARTITIONS_A_FRAME, each)), records)
                  for nth in range(topics) for first in range(0, each, PARTITIONS_A_FRAME)]
        load = bench.Load(connection, frames)
        rounds = max(1, (mib << 20) // (len(records) * partitions))
        begin = time.monotonic()
        for _ in range(rounds * len(frames)):
            load.step()
        load.finish()
        load_s = time.monotonic() - begin
        loaded = broker.resident_bytes()
        connection.close()
        time.sleep(after_s)
        cpu = broker.cpu_seconds()
        time.sleep(WATCHED_S)
        mib_of = lambda size: round(size / 2**20, 1)
        return {
            "partitions": partitions, "loaded_mib": mib_of(rounds * len(records) * partitions),
            "create_s": round(create_s, 3), "metadata_ms": round(metadata_s * 1e3, 1),
            "metadata_kib": round(metadata_bytes / 1024, 1), "load_s": round(load_s, 2),
            "empty_rss_mib": mib_of(empty), "made_rss_mib": mib_of(made), "loaded_rss_mib": mib_of(loaded),
            "idle_rss_mib": mib_of(broker.resident_bytes()), "idle_anonymous_mib": mib_of(broker.resident_bytes("RssAnon")),
            "idle_cpu_percent": round((broker.cpu_seconds() - cpu) / WATCHED_S * 100, 2), "idle_open_files": broker.open_files(),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=1000)
    parser.add_argument("--topics", type=int, default=1)
    parser.add_argument("--mib", type=int, default=512, help="MiB of batches over all partitions")
    parser.add_argument("--after", type=float, default=60, help="seconds from the end of the load to the measurement")
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--binary")
    parser.add_argument("--json", help="write the figures there")
    options = parser.parse_args()
    flags = ["--shards", str(options.shards)] if options.shards else []
    figures = measure(options.partitions, options.topics, options.mib, options.after, flags, options.binary)
    print(json.dumps(figures))
    if options.json:
        with open(options.json, "w") as out:
            json.dump(figures, out, indent=1)


if __name__ == "__main__":
    main()
