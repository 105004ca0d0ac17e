"""Kafka's own command-line tools against a broker, run as its shell scripts run them: `tools.py ADDRESS [NAME]`.

$TOOLS is the class path of the tools, $CONFIGS that of kafka-configs.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ADDRESS, ONLY = sys.argv[1], "".join(sys.argv[2:])
TOOLS = "org.apache.kafka.tools."
TOPICS, OFFSETS, CONFIGS = TOOLS + "TopicCommand", TOOLS + "GetOffsetShell", "kafka.admin.ConfigCommand"


def run(tool, *arguments, given=None, fails=False):
    """What it says; it must end with 0, or not at all so if it `fails`."""
    path = os.environ["CONFIGS" if tool == CONFIGS else "TOOLS"]
    where = ["cluster-id"] if tool.endswith("ClusterTool") else []
    done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", path, tool,
                           *where, "--bootstrap-server", ADDRESS, *arguments],
                          input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"{tool} {' '.join(arguments)} ended with {done.returncode}: {done.stdout[-2000:]}")
    return done.stdout


def says(said, *expected):
    for part in expected:
        if part not in said:
            raise AssertionError(f"'{part}' is not in: {said[-2000:]}")


def topics():
    run(TOPICS, "--create", "--topic", "tool", "--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=1000000")
    run(TOPICS, "--create", "--topic", "tool", "--if-not-exists")
    says(run(TOPICS, "--create", "--topic", "tool", fails=True), "already exists")
    run(TOPICS, "--alter", "--topic", "tool", "--partitions", "5")
    says(run(TOPICS, "--list"), "tool")
    says(run(TOPICS, "--describe"), "Topic: tool", "PartitionCount: 5", "ReplicationFactor: 1", "Configs: retention.ms=1000000",
         "Partition: 4\tLeader: 1\tReplicas: 1\tIsr: 1")
    if run(TOPICS, "--describe", "--unavailable-partitions") + run(TOPICS, "--describe", "--under-replicated-partitions"):
        raise AssertionError("a partition is said to be missing")
    run(TOPICS, "--create", "--topic", "gone")
    run(TOPICS, "--delete", "--topic", "gone")
    says(run(TOPICS, "--describe", "--topic", "gone", fails=True), "does not exist")


def configs():
    run(TOPICS, "--create", "--topic", "set")
    topic = ["--entity-type", "topics", "--entity-name", "set"]
    run(CONFIGS, *topic, "--alter", "--add-config", "retention.ms=5000000,max.message.bytes=20000")
    run(CONFIGS, *topic, "--alter", "--delete-config", "max.message.bytes")
    said = run(CONFIGS, *topic, "--describe")
    says(said, "retention.ms=5000000", "DYNAMIC_TOPIC_CONFIG:retention.ms=5000000")
    if "max.message.bytes" in said:
        raise AssertionError(said)
    says(run(CONFIGS, *topic, "--describe", "--all"), "max.message.bytes=1048588", "cleanup.policy=delete")
    says(run(CONFIGS, *topic, "--alter", "--add-config", "no.such=1", fails=True), "no.such")
    says(run(CONFIGS, "--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"), "num.partitions=1", "log.dirs=")
    run(CONFIGS, "--entity-type", "brokers", "--describe")


def records():
    run(TOPICS, "--create", "--topic", "lines")
    run(TOOLS + "ConsoleProducer", "--topic", "lines", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
        given="".join(f"k{n}:v{n}\n" for n in range(10)))
    says(run(TOOLS + "consumer.ConsoleConsumer", "--topic", "lines", "--partition", "0", "--offset", "earliest", "--max-messages", "10",
             "--formatter-property", "print.key=true"), "k0\tv0\n", "k9\tv9\n")
    says(run(OFFSETS, "--topic", "lines"), "lines:0:10\n")
    says(run(OFFSETS, "--topic", "lines", "--time", "earliest"), "lines:0:0\n")
    says(run(OFFSETS, "--topic", "lines", "--time", str(int(time.time() * 1000) - 3_600_000)), "lines:0:0\n")
    says(run(OFFSETS, "--topic", "lines", "--time", "max-timestamp"), "lines:0:")
    with tempfile.TemporaryDirectory() as folder:
        wanted = pathlib.Path(folder) / "cut.json"
        wanted.write_text(json.dumps({"version": 1, "partitions": [{"topic": "lines", "partition": 0, "offset": 4}]}))
        says(run(TOOLS + "DeleteRecordsCommand", "--offset-json-file", str(wanted)), "partition: lines-0\tlow_watermark: 4")
    says(run(OFFSETS, "--topic", "lines", "--time", "earliest"), "lines:0:4\n")


def node():
    says(run(TOOLS + "ClusterTool"), "Cluster ID: ")
    says(run(TOOLS + "BrokerApiVersionsCommand"), ADDRESS, "Produce(0): ")
    run(TOPICS, "--create", "--topic", "sized")
    said = run(TOOLS + "LogDirsCommand", "--describe", "--topic-list", "sized")
    [broker] = json.loads(said.splitlines()[-1])["brokers"]
    if [p["partition"] for p in broker["logDirs"][0]["partitions"]] != ["sized-0"] or broker["logDirs"][0]["error"]:
        raise AssertionError(said)


failed = False
for check in (topics, configs, records, node):
    if ONLY not in f"tools-{check.__name__}":
        continue
    try:
        began = time.monotonic()
        check()
        print(f"ok tools-{check.__name__} ({(time.monotonic() - began) * 1000:.0f} ms)", flush=True)
    except Exception as error:
        failed = True
        print(f"FAILED tools-{check.__name__}: {error!r}", flush=True)
sys.exit(1 if failed else 0)
