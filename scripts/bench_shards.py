"""Two shards on two cores against one shard on one core, each with its clients on the same cores: broker CPU a GB.

The kernel spreads connections over shards as it likes, so that about half of the requests belong to the other shard.
"""
import bench_servers as servers
from bench_figures import Figure, Table

CLIENTS = 4
PARTITIONS = 8
WARM_MIB = 256  # of each client
LOAD = {"records": 64, "in_flight": 12, "partitions": PARTITIONS}


def load_all(broker, cpus, mib):
    before = broker.cpu_seconds()
    loads = [servers.start_load("bench_produce", broker.port, cpus, mib=mib, **LOAD) for _ in range(CLIENTS)]
    results = [servers.end_load(load) for load in loads]
    moved = sum(result["bytes"] for result in results)
    return {"cpu_s_per_gb": (broker.cpu_seconds() - before) / (moved / 1e9),
            "mb_per_s": moved / max(result["seconds"] for result in results) / 1e6}


def run(options):
    cpu = Figure("shards", "broker CPU a GB", "s", "one shard", 1.15)
    rate = Figure("shards", "throughput", "MB/s", "one shard", None, digits=0)
    mib = max(1024, 3 * options.journal_mib) // CLIENTS
    for _ in range(options.rounds):
        runs = []
        for shards, cpus in ((1, {servers.SERVER_CORE}), (2, {servers.SERVER_CORE, servers.LOAD_CORE})):
            with servers.Scratch() as directory:
                broker = servers.Broker(directory, options.journal_mib, shards, cpus)
                broker.topic("bench", PARTITIONS)
                load_all(broker, cpus, WARM_MIB)
                runs.append(load_all(broker, cpus, mib))
                broker.stop()
        cpu.add(*(each["cpu_s_per_gb"] for each in runs))
        rate.add(*(each["mb_per_s"] for each in runs))
    return Table("shards", "two shards on two cores against one on one, clients on the same cores, acks=all", [
        f"{CLIENTS} producers of 64 KiB batches, 12 in flight each, round robin over {PARTITIONS} partitions; "
        f"{CLIENTS * mib} MiB after {CLIENTS * WARM_MIB} MiB to warm up, journal {options.journal_mib} MiB.",
    ], [cpu, rate])
