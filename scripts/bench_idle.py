"""What a broker costs once it is idle: 60 s after a load over all of its partitions."""
import time

import bench_load as load
import bench_servers as servers
import wire
from bench_figures import Figure, Table

LOAD_MIB = 512
AFTER_S, WATCHED_S = 60, 20
TOPIC_PARTITIONS = 1000
PARTITIONS_A_FRAME = 250
BOUNDS_MIB = {1000: 64, 10000: 96}


def fill(connection, partitions):
    """Makes the partitions and gives each the same share; the seconds that making them took."""
    topics = [f"t{nth}" for nth in range(partitions // TOPIC_PARTITIONS)]
    begin = time.monotonic()
    for topic in topics:
        load.create_topic(connection, topic, TOPIC_PARTITIONS)
    created_s = time.monotonic() - begin
    records = load.batch(1024)
    frames = [load.produce_frame(topic, range(first, first + PARTITIONS_A_FRAME), records)
              for topic in topics for first in range(0, TOPIC_PARTITIONS, PARTITIONS_A_FRAME)]
    sender = load.Load(connection, frames)
    for _ in range((LOAD_MIB << 20) // (len(records) * partitions) * len(frames)):
        sender.step()
    sender.finish()
    return created_s


def measure(partitions):
    with servers.Scratch() as directory:
        broker = load.broker(directory).start()
        connection = wire.Connection(broker, load.LIMIT_S)
        created_s = fill(connection, partitions)
        connection.close()
        loaded = load.resident_mib(broker)
        time.sleep(AFTER_S)
        before = broker.cpu_seconds()
        time.sleep(WATCHED_S)
        figures = {"created_s": created_s, "loaded": loaded, "resident": load.resident_mib(broker),
                   "cpu": (broker.cpu_seconds() - before) / WATCHED_S * 100, "files": load.open_files(broker)}
        broker.kill()
        return figures


def run(options):
    figures, notes = [], []
    for partitions, bound in BOUNDS_MIB.items():
        resident = Figure("idle", f"{partitions} partitions: resident", "MiB", "", bound, digits=0)
        cpu = Figure("idle", f"{partitions} partitions: CPU", "% of a core", "", 1)
        for _ in range(min(options.rounds, 2)):  # a minute and a half each
            seen = measure(partitions)
            resident.add(None, seen["resident"])
            cpu.add(None, seen["cpu"])
        figures += [resident, cpu]
        notes.append(f"{partitions} partitions: made in {seen['created_s'] * 1000:.0f} ms; {seen['loaded']:.0f} MiB right after "
                     f"the load; {seen['files']} open file descriptors of the process when idle")
    return Table("idle", f"idle, {AFTER_S} s after load", [
        f"{LOAD_MIB} MiB of 1 KiB batches spread evenly over all partitions, default settings; CPU over {WATCHED_S} s.",
    ], figures, notes)
