"""Producing at full rate: CPU a GB and throughput against the floor, and what limits them.

Each round starts both servers fresh. The first GiB is the cold figure (memory and page cache that the machine never
touched are dear); it warms up what comes then: at least three times the journal, so that checkpoints and the spill are in it.
"""
import bench_servers as servers
from bench_figures import Figure, Table

COLD_MIB = 1024


def run(options):
    cpu = Figure("produce", "CPU a GB", "s", "floor", 2.0)
    rate = Figure("produce", "throughput", "MB/s", "floor", 0.6, at_least=True, digits=0)
    cold_cpu = Figure("produce", "CPU a GB, first GiB after the start", "s", "floor", None)
    cold_rate = Figure("produce", "throughput, first GiB after the start", "MB/s", "floor", None, digits=0)
    mib = max(1024, 3 * options.journal_mib)
    seen = {"floor": [], "broker": []}
    io = "unknown"
    for _ in range(options.rounds):
        runs = {}
        for name in ("floor", "broker"):
            with servers.Scratch() as directory:
                if name == "floor":
                    server = servers.Peer("bench_floor", directory / "floor", options.journal_mib)
                else:
                    server = servers.Broker(directory, options.journal_mib)
                    server.topic("bench")
                    io = server.io_name
                cold = servers.measured(server, directory, mib=COLD_MIB, **servers.BULK)
                warm = servers.measured(server, directory, mib=mib, **servers.BULK)
                server.stop()
            runs[name] = (cold, warm)
            seen[name].append(warm)
        for (cold, warm), figure in [((cold_cpu, cpu), "cpu_s_per_gb"), ((cold_rate, rate), "mb_per_s")]:
            cold.add(runs["floor"][0][figure], runs["broker"][0][figure])
            warm.add(runs["floor"][1][figure], runs["broker"][1][figure])
    table = Table("produce", "1 KiB records in 64 KiB batches, acks=all", [
        f"{mib} MiB of batches after {COLD_MIB} MiB to warm up, journal {options.journal_mib} MiB, {servers.BULK['in_flight']} requests in flight.",
        f"Servers on one core, the load generator on another. Every journal write is synced (O_DIRECT, dsync); engine {io}.",
    ], [cpu, rate, cold_cpu, cold_rate])
    table.notes += [servers.what_limits(name, runs) for name, runs in seen.items()]
    return table
