"""What consumers cost against a plain socket sender, which sends memory to the same receiver and does nothing else.

At the tail: a producer writes at a fixed pace, once alone and once with a consumer that follows; the consumer's CPU is
the difference of the broker's in both. The broker does not spin for that, or the consumer would only use up what is
spun away. Beside it: the same consumer reading what is in memory, over and over, without a producer.
Catching up: a log is read once, so that all of it is in the page cache, and then again.
"""
import bench_servers as servers
from bench_figures import Figure, Table

MB_PER_S = 200
TAIL_MIB = 1024
MEMORY_MIB = 12       # stays in memory: less than what makes a spill
LOG_MIB = 1024
SENT_MIB = 1024
STILL = {"loop.spin_us": 0, "log.checkpoint_idle_ms": 600_000}  # nothing is spilled because it is quiet


def consume(server, **options):
    before = server.cpu_seconds()
    result = servers.end_load(servers.start_load("bench_fetch", server.port, **options))
    result["cpu_s_per_gb"] = (server.cpu_seconds() - before) / (result["bytes"] / 1e9)
    return result


def sender(memory_mib):
    server = servers.Peer("bench_sender", memory_mib)
    consume(server, sender=1, mib=SENT_MIB)
    result = consume(server, sender=1, mib=SENT_MIB)
    server.stop()
    return result


def at_the_tail(broker):
    """CPU a GB of a consumer that follows."""
    def paced(topic, consumer):
        before = broker.cpu_seconds()
        reading = servers.start_load("bench_fetch", broker.port, topic=topic, mib=TAIL_MIB - 1) if consumer else None
        servers.end_load(servers.start_load("bench_produce", broker.port, topic=topic, mib=TAIL_MIB, mb_per_s=MB_PER_S,
                                            records=64, in_flight=16))
        read = servers.end_load(reading)["bytes"] if reading else 0
        return broker.cpu_seconds() - before, read
    paced("warm", False)
    alone, _ = paced("alone", False)
    followed, read = paced("followed", True)
    return (followed - alone) / (read / 1e9)


def run(options):
    tail = Figure("fetch", "tail consumer, CPU a GB", "s", "sender", 1.5)
    memory = Figure("fetch", "reading the tail over and over, CPU a GB", "s", "sender", None)
    rate = Figure("fetch", "catching up from the page cache", "MB/s", "sender", 0.7, at_least=True, digits=0)
    cpu = Figure("fetch", "catching up from the page cache, CPU a GB", "s", "sender", None)
    for _ in range(options.rounds):
        warm, cold = sender(MEMORY_MIB), sender(LOG_MIB)
        with servers.Scratch() as directory:
            broker = servers.Broker(directory, options.journal_mib, settings=STILL)
            for topic in ("warm", "alone", "followed", "memory"):
                broker.topic(topic)
            tail.add(warm["cpu_s_per_gb"], at_the_tail(broker))
            servers.measured(broker, directory, topic="memory", records=64, in_flight=16, mib=MEMORY_MIB)
            memory.add(warm["cpu_s_per_gb"], consume(broker, topic="memory", again_from=0, mib=SENT_MIB)["cpu_s_per_gb"])
            broker.stop()
        with servers.Scratch() as directory:
            broker = servers.Broker(directory, options.journal_mib)
            broker.topic("bench")
            servers.measured(broker, directory, mib=LOG_MIB, **servers.BULK)
            consume(broker, mib=LOG_MIB - 1)
            again = consume(broker, mib=LOG_MIB - 1)
            broker.stop()
        rate.add(cold["mb_per_s"], again["mb_per_s"])
        cpu.add(cold["cpu_s_per_gb"], again["cpu_s_per_gb"])
    return Table("fetch", "one consumer of one partition, Fetch of 1 MiB at a time, against a plain socket sender", [
        f"Tail: {TAIL_MIB} MiB of 64 KiB batches at {MB_PER_S} MB/s. Catching up: {LOG_MIB} MiB.",
        "Servers on one core, the consumer (and the producer) on another.",
    ], [tail, memory, rate, cpu])
