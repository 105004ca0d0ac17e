"""The time to an acknowledgement of one 1 KiB record in flight, against the floor.

The journal is small (a record alone takes a block of 4 KiB in it), so that three of it, with their checkpoints, go by
in seconds. Both servers look for work for 50 us before they sleep; the floor that sleeps at once is told beside.
"""
import bench_servers as servers
from bench_figures import Figure, Table

JOURNAL_MIB = 32
RECORDS_MIB = 3 * JOURNAL_MIB // 4
WARM_MIB = 256
SPIN_US = 50


def run(options):
    p50 = Figure("latency", "p50", "us", "floor", 1.3, digits=0)
    p99 = Figure("latency", "p99", "us", "floor", 1.5, digits=0)
    sleeping = [Figure("latency", f"{q} against a floor that never spins", "us", "floor", None, digits=0)
                for q in ("p50", "p99")]
    io = "unknown"
    for _ in range(options.rounds):
        runs = {}
        for name in ("floor", "sleeping", "broker"):
            with servers.Scratch() as directory:
                if name == "broker":
                    server = servers.Broker(directory, JOURNAL_MIB)
                    server.topic("bench")
                    io = server.io_name
                else:
                    server = servers.Peer("bench_floor", directory / "floor", JOURNAL_MIB, SPIN_US if name == "floor" else 0)
                servers.measured(server, directory, records=64, in_flight=16, mib=WARM_MIB)
                runs[name] = servers.measured(server, directory, records=1, in_flight=1, mib=RECORDS_MIB)
                server.stop()
        for figure, key in ((p50, "p50_us"), (p99, "p99_us")):
            figure.add(runs["floor"][key], runs["broker"][key])
        for figure, key in zip(sleeping, ("p50_us", "p99_us")):
            figure.add(runs["sleeping"][key], runs["broker"][key])
    return Table("latency", "acknowledgement of one 1 KiB record in flight, acks=all", [
        f"{RECORDS_MIB} MiB of records after {WARM_MIB} MiB of batches to warm up, journal {JOURNAL_MIB} MiB.",
        f"Servers on one core, the load generator on another. Every journal write is synced (O_DIRECT, dsync); engine {io}.",
    ], [p50, p99, *sleeping])
