"""The same batches into 1,000 partitions round robin as into one: rate and CPU, checkpoints included."""
import bench_servers as servers
from bench_figures import Figure, Table

PARTITIONS = 1000
WARM_MIB = 1024


def run(options):
    rate = Figure("partitions", "throughput", "MB/s", "1 partition", 0.8, at_least=True, digits=0)
    cpu = Figure("partitions", "CPU a GB", "s", "1 partition", None)
    mib = max(1024, 3 * options.journal_mib)
    seen = {1: [], PARTITIONS: []}
    for _ in range(options.rounds):
        for partitions, runs in seen.items():
            with servers.Scratch() as directory:
                broker = servers.Broker(directory, options.journal_mib)
                broker.topic("bench", partitions)
                servers.measured(broker, directory, partitions=partitions, mib=WARM_MIB, **servers.BULK)
                runs.append(servers.measured(broker, directory, partitions=partitions, mib=mib, **servers.BULK))
                broker.stop()
        rate.add(*(runs[-1]["mb_per_s"] for runs in seen.values()))
        cpu.add(*(runs[-1]["cpu_s_per_gb"] for runs in seen.values()))
    return Table("partitions", f"{PARTITIONS} partitions round robin against one, the same 64 KiB batches, acks=all", [
        f"{mib} MiB of batches after {WARM_MIB} MiB to warm up, journal {options.journal_mib} MiB, "
        f"{servers.BULK['in_flight']} requests in flight.",
    ], [rate, cpu], [servers.what_limits(f"{partitions} partitions", runs) for partitions, runs in seen.items()])
