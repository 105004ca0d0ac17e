"""What a producer of one 1 KiB record at a time feels of another one that writes at full rate.

Both load generators share the core that the broker hasn't. Where that is allowed the small one runs at a real-time
priority, so that waiting for the large one's turn on their core is not what is measured.
"""
import os

import bench_servers as servers
from bench_figures import Figure, Table

WARM_MIB = 1024
SECONDS = 5
PROBE = {"records": 1, "in_flight": 1, "topic": "small", "seconds": SECONDS}


def probe(broker):
    load = servers.start_load("bench_produce", broker.port, **PROBE)
    try:
        os.sched_setscheduler(load.pid, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass
    return servers.end_load(load)


def run(options):
    p99 = Figure("mixed", "p99", "us", "alone", 5.0, digits=0)
    p50 = Figure("mixed", "p50", "us", "alone", None, digits=0)
    rate = Figure("mixed", "the other producer meanwhile", "MB/s", "", None, digits=0)
    for _ in range(options.rounds):
        with servers.Scratch() as directory:
            broker = servers.Broker(directory, options.journal_mib)
            broker.topic("small")
            broker.topic("large")
            servers.measured(broker, directory, topic="large", mib=WARM_MIB, **servers.BULK)
            alone = probe(broker)
            large = servers.start_load("bench_produce", broker.port, topic="large", seconds=SECONDS + 1, **servers.BULK)
            beside = probe(broker)
            rate.add(None, servers.end_load(large)["mb_per_s"])
            broker.stop()
        p99.add(alone["p99_us"], beside["p99_us"])
        p50.add(alone["p50_us"], beside["p50_us"])
    return Table("mixed", "acknowledgement of one 1 KiB record in flight, beside a producer at full rate", [
        f"{SECONDS} s alone, and {SECONDS} s beside 64 KiB batches, {servers.BULK['in_flight']} in flight, of another topic; "
        f"after {WARM_MIB} MiB to warm up. Journal {options.journal_mib} MiB.",
    ], [p99, p50, rate])
