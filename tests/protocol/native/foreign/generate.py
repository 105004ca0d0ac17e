#!/usr/bin/python3
"""Makes the frames that tests/protocol/native holds our codec against, and the conversations that docs/protocol.md quotes:

    tests/protocol/native/foreign/generate.py

writes vectors.txt beside itself, transcripts/*.txt beside its folder, and the latter into docs/protocol.md. Prefixes are packed here, headers are written by
Python's protobuf, record batches by kafka-python: none of it by Sluice. Needs Debian's python3-protobuf, protobuf-compiler
and python3-kafka. The outcome is committed; run this again only to add a kind, a field or a conversation.

A frame is a line `WHO -> KIND id N` (to the node) or `WHO <- KIND id N` (from it), then its fields for people, then
`prefix`, `header` and `payload` lines of hexadecimal digits; several lines of one name go on with each other.
"""
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

from google.protobuf import text_format
from kafka.record.default_records import DefaultRecordBatchBuilder

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
DIGITS = 88  # a line


def compile_messages():
    out = tempfile.mkdtemp(prefix="sluice-native-")
    protos = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "protocol/native").glob("*.proto"))
    subprocess.run(["protoc", f"--python_out={out}", f"-I{ROOT}", *protos], check=True)
    sys.path.insert(0, out)


compile_messages()
from protocol.native.layout_pb2 import *  # noqa: E402,F403
from protocol.native.publish_pb2 import *  # noqa: E402,F403
from protocol.native.request_pb2 import *  # noqa: E402,F403
from protocol.native.session_pb2 import *  # noqa: E402,F403
from protocol.native.subscribe_pb2 import *  # noqa: E402,F403
from protocol.native.topics_pb2 import *  # noqa: E402,F403

KINDS = {
    "HELLO": 1, "WELCOME": 2, "ERROR": 3, "NOTICE": 4, "FLOW": 5, "PING": 6, "PONG": 7, "GOAWAY": 8, "DONE": 9,
    "LAYOUT": 16, "LAYOUT_REPLY": 17, "WATCH_LAYOUT": 18, "LAYOUT_CHANGED": 19,
    "PUBLISH": 32, "PUBLISHED": 33, "INIT_PRODUCER": 34, "PRODUCER": 35,
    "SUBSCRIBE": 48, "SUBSCRIBED": 49, "DELIVER": 50, "CREDIT": 51, "SUBSCRIPTION_EVENT": 52, "SEEK": 53, "SOUGHT": 54,
    "PAUSE": 55, "RESUME": 56, "UNSUBSCRIBE": 57, "UNSUBSCRIBED": 58,
    "SERVE": 64, "SERVING": 65, "INVOKE": 66, "REPLY": 67, "UNSERVE": 68, "UNSERVED": 69, "REQUEST": 70, "RESPONSE": 71,
    "OFFSETS": 80, "OFFSETS_REPLY": 81, "CREATE_TOPIC": 82, "TOPIC_CREATED": 83, "DELETE_TOPIC": 84, "ALTER_TOPIC": 85,
    "GROW_TOPIC": 86, "DESCRIBE_TOPIC": 87, "TOPIC_DESCRIPTION": 88, "DELETE_RECORDS": 89, "RECORDS_DELETED": 90}

TOPIC_ID = bytes.fromhex("c0ffee00112233445566778899aabbcc")
OTHER_ID = bytes.fromhex("0badcafe112233445566778899aabbcc")
NOON = 1800000000000  # 2027-01-15 08:00 UTC


def batch(*values, base=0, epoch=-1, producer=None, sequence=-1):
    """A record batch of these values, of key `k`, a second apart."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=False, producer_id=-1 if producer is None else producer,
        producer_epoch=-1 if producer is None else 0, base_sequence=sequence, batch_size=1 << 20)
    for i, value in enumerate(values):
        builder.append(i, NOON + 1000 * i, b"k", value, [])
    bytes_ = bytearray(builder.build())
    struct.pack_into(">q", bytes_, 0, base)
    struct.pack_into(">i", bytes_, 12, epoch)
    return bytes(bytes_)


def hex_lines(name, data):
    digits = data.hex()
    return [f"  {name:<8}{digits[i:i + DIGITS]}" for i in range(0, len(digits), DIGITS)]


def frame(who, arrow, kind, id_, message, payload=b""):
    """The lines of one frame."""
    header = message.SerializeToString(deterministic=True)
    prefix = struct.pack("<IIHHI", 12 + len(header) + len(payload), len(header), KINDS[kind], 0, id_)
    fields = text_format.MessageToString(message, use_index_order=False).rstrip()
    lines = [f"{who} {arrow} {kind} id {id_}"]
    lines += ["      " + line for line in fields.splitlines()]
    return lines + hex_lines("prefix", prefix) + hex_lines("header", header) + hex_lines("payload", payload)


ONE_NODE = [Node(id=1, host="broker-1.example", port=4150)]
NODES = ONE_NODE + [Node(id=2, host="broker-2.example", port=4150)]


def an_error(code=202, message="there is no topic 'orders.paid'", **more):
    return Error(code=code, message=message, **more)


def vectors():
    """One frame of every kind with every field set, no two numbers alike."""
    p = "client ->"
    n = "client <-"
    layout = TopicLayout(name="orders.created", topic_id=TOPIC_ID, storage=STORAGE_LOG,
                         partitions=[PartitionLayout(leader_node=1, leader_epoch=7), PartitionLayout(leader_epoch=-1)],
                         settings=[Setting(name="retention.ms", value="3600000")])
    partition = Subscribed.Partition(handle=3, topic="orders.created", topic_id=TOPIC_ID, partition=1, offset=42,
                                     leader_epoch=7, high_watermark=99, storage=STORAGE_MEMORY,
                                     awaits_seek=True)
    headers = [Header(key="traceparent", value=b"00-ab-cd-01"), Header(key="n", value=b"\x00\xff")]
    failed = ServiceError(code=-4, message="no such order")
    at_time = Position(at=Position.AT_TIME, value=NOON)
    one, two = batch(b"first"), batch(b"second", b"third")
    return [
        (p, "HELLO", 1, Hello(min_version=1, max_version=2, client_name="shop", client_software="libsluice/0.1.0",
                              features=5, max_frame_bytes=1 << 20)),
        (n, "WELCOME", 1, Welcome(version=1, cluster_id="c-1", node_id=1, nodes=NODES, max_frame_bytes=64 << 20,
                                  max_header_bytes=256 << 10, max_requests_in_flight=64, publish_window_bytes=16 << 20,
                                  server_software="sluiced/0.1.0", features=4, idle_timeout_ms=600000)),
        (n, "ERROR", 2, an_error(retriable=True, retry_after_ms=250, topic="orders.paid", partition=0)),
        (n, "NOTICE", 0, Notice(error=an_error(), count=17)),
        (n, "FLOW", 0, Flow(publish_window_bytes=1 << 20)),
        (p, "PING", 3, Ping(), b"are you there"),
        (n, "PONG", 3, Pong(), b"are you there"),
        (n, "GOAWAY", 0, GoAway(why="the node is shutting down", grace_ms=5000)),
        (n, "DONE", 4, Done()),
        (p, "LAYOUT", 5, Layout(names=["orders.created"], patterns=["orders.*", "audit.>"], all=True, with_settings=True,
                                    create_missing=True)),
        (n, "LAYOUT_REPLY", 5, LayoutReply(revision=9, nodes=NODES, topics=[layout], errors=[an_error(topic="orders.paid")])),
        (p, "WATCH_LAYOUT", 6, WatchLayout(known_revision=9)),
        (n, "LAYOUT_CHANGED", 6, LayoutChanged(revision=10)),
        (p, "PUBLISH", 7, Publish(acks=ACKS_LEADER, timeout_ms=1500, parts=[
            PublishPart(topic="orders.created", partition=1, batch_bytes=len(one)),
            PublishPart(topic_id=OTHER_ID, batch_bytes=len(two))]), one + two),
        (n, "PUBLISHED", 7, Published(parts=[
            PublishedPart(base_offset=42, append_time_ms=NOON, leader_epoch=7, memory=True),
            PublishedPart(leader_epoch=-1, error=an_error(503, "no acknowledgement within 1500 ms", retriable=True))])),
        (p, "INIT_PRODUCER", 8, InitProducer(producer_id=7000, producer_epoch=3)),
        (n, "PRODUCER", 8, Producer(producer_id=7000, producer_epoch=4)),
        (p, "SUBSCRIBE", 9, Subscribe(
            names=["orders.created"], patterns=["audit.>"],
            partitions=[PartitionStart(topic="orders.paid", partition=2, **{"from": Position(at=Position.AT_OFFSET, value=7)}),
                        PartitionStart(topic_id=OTHER_ID, **{"from": Position(at=Position.AT_END)})],
            queue_group="workers", credit_records=1000, credit_bytes=1 << 20, max_deliver_bytes=1 << 16,
            **{"from": at_time})),
        (n, "SUBSCRIBED", 9, Subscribed(partitions=[partition, Subscribed.Partition(
            handle=4, topic="orders.paid", topic_id=OTHER_ID, offset=-1, leader_epoch=-1, storage=STORAGE_LOG)])),
        (n, "DELIVER", 9, Deliver(parts=[
            Deliver.Part(handle=3, bytes=len(one) + len(two), base_offset=42, generation=2, high_watermark=99, leader_epoch=7),
            Deliver.Part(handle=4, bytes=len(two), base_offset=1000, high_watermark=1002, leader_epoch=1)]),
            batch(b"first", base=42, epoch=7) + batch(b"second", b"third", base=43, epoch=7) +
            batch(b"second", b"third", base=1000, epoch=1)),
        (p, "CREDIT", 9, Credit(records=500, bytes=1 << 19)),
        (n, "SUBSCRIPTION_EVENT", 9, SubscriptionEvent(
            joined=[partition], gone=[SubscriptionEvent.Gone(handle=4, why=an_error())],
            reset=[SubscriptionEvent.Reset(handle=3, **{"from": 5}, to=40, why=an_error(200, "the log begins at 40"))])),
        (p, "SEEK", 9, Seek(parts=[Seek.Part(handle=3, to=at_time, generation=3)])),
        (n, "SOUGHT", 9, Sought(parts=[Sought.Part(handle=3, generation=3, offset=77),
                                       Sought.Part(handle=4, generation=1, error=an_error())])),
        (p, "PAUSE", 9, Pause(handles=[3, 4])),
        (p, "RESUME", 9, Resume(handles=[300])),
        (p, "UNSUBSCRIBE", 9, Unsubscribe()),
        (n, "UNSUBSCRIBED", 9, Unsubscribed()),
        (p, "SERVE", 10, Serve(subject="orders.price", max_in_flight=32)),
        (n, "SERVING", 10, Serving()),
        (n, "INVOKE", 10, Invoke(token=(1 << 40) + 5, timeout_ms=900, headers=headers), b"42 apples"),
        (p, "REPLY", 10, Reply(token=(1 << 40) + 5, error=failed, headers=headers), b"12.60"),
        (p, "UNSERVE", 10, Unserve()),
        (n, "UNSERVED", 10, Unserved()),
        (p, "REQUEST", 11, Request(subject="orders.price", timeout_ms=1000, headers=headers), b"42 apples"),
        (n, "RESPONSE", 11, Response(error=failed, headers=headers), b"12.60"),
        (p, "OFFSETS", 12, Offsets(parts=[Offsets.Part(topic="orders.created", partition=1, position=at_time),
                                          Offsets.Part(topic_id=OTHER_ID, position=Position(at=Position.AT_MAX_TIME))])),
        (n, "OFFSETS_REPLY", 12, OffsetsReply(parts=[
            OffsetsReply.Part(offset=42, timestamp_ms=NOON, leader_epoch=7),
            OffsetsReply.Part(offset=-1, timestamp_ms=-1, leader_epoch=-1, error=an_error())])),
        (p, "CREATE_TOPIC", 13, CreateTopic(name="orders.paid", partitions=8, replication_factor=1, validate_only=True,
                                            settings=[Setting(name="storage", value="memory")], timeout_ms=2000)),
        (n, "TOPIC_CREATED", 13, TopicCreated(topic=layout)),
        (p, "DELETE_TOPIC", 14, DeleteTopic(name="orders.paid", topic_id=OTHER_ID, timeout_ms=2000)),
        (p, "ALTER_TOPIC", 15, AlterTopic(name="orders.paid", validate_only=True, timeout_ms=2000, changes=[
            AlterTopic.Change(name="retention.ms", value=""), AlterTopic.Change(name="retention.bytes")])),
        (p, "GROW_TOPIC", 16, GrowTopic(name="orders.paid", partitions=16, validate_only=True, timeout_ms=2000)),
        (p, "DESCRIBE_TOPIC", 17, DescribeTopic(name="orders.paid", topic_id=OTHER_ID)),
        (n, "TOPIC_DESCRIPTION", 17, TopicDescription(
            topic=layout, replication_factor=3,
            settings=[TopicDescription.SettingInfo(name="retention.ms", value="3600000", default_value="604800000",
                                                   is_default=True, help="How long records are kept.")],
            partitions=[TopicDescription.PartitionInfo(start_offset=5, end_offset=99, size_bytes=123456),
                        TopicDescription.PartitionInfo(error=an_error())])),
        (p, "DELETE_RECORDS", 18, DeleteRecords(timeout_ms=2000, parts=[
            DeleteRecords.Part(topic="orders.created", partition=1, before=0), DeleteRecords.Part(topic_id=OTHER_ID)])),
        (n, "RECORDS_DELETED", 18, RecordsDeleted(parts=[
            RecordsDeleted.Part(start_offset=42), RecordsDeleted.Part(error=an_error())])),
    ]


def write(path, title, parts):
    lines = [f"# {line}" for line in title]
    for part in parts:
        lines.append("")
        lines += [f"# {line}" for line in part] if isinstance(part, list) else frame(*part)
    path.write_text("\n".join(lines) + "\n")


HELLO = ("client", "->", "HELLO", 1, Hello(min_version=1, max_version=1, client_name="shop", client_software="example/1"))
WELCOME = ("client", "<-", "WELCOME", 1, Welcome(
    version=1, cluster_id="c-1", node_id=1, nodes=ONE_NODE, max_frame_bytes=64 << 20, max_header_bytes=256 << 10,
    max_requests_in_flight=64, publish_window_bytes=16 << 20, server_software="sluiced/0.1.0", idle_timeout_ms=600000))


def handshake():
    topic = TopicLayout(name="orders.created", topic_id=TOPIC_ID, storage=STORAGE_LOG,
                        partitions=[PartitionLayout(leader_node=1, leader_epoch=3)] * 2)
    return [
        HELLO, WELCOME,
        ["Where are the topics? The name that is not there has an error of its own."],
        ("client", "->", "LAYOUT", 2, Layout(names=["orders.paid"], patterns=["orders.*"])),
        ("client", "<-", "LAYOUT_REPLY", 2, LayoutReply(revision=9, nodes=ONE_NODE, topics=[topic], errors=[
            an_error(topic="orders.paid")])),
        ["Tell me when that changes. Nothing comes until it does: here, when orders.paid is made by somebody."],
        ("client", "->", "WATCH_LAYOUT", 3, WatchLayout(known_revision=9)),
        ("client", "<-", "LAYOUT_CHANGED", 3, LayoutChanged(revision=10)),
        ["Is the connection alive?"],
        ("client", "->", "PING", 4, Ping(), b"a"),
        ("client", "<-", "PONG", 4, Pong(), b"a"),
        ["Another client speaks versions that the node does not. The connection ends behind the answer."],
        ("other", "->", "HELLO", 1, Hello(min_version=7, max_version=8, client_name="from the future")),
        ("other", "<-", "ERROR", 1, an_error(105, "versions 7 to 8 are asked for, and this node speaks 1")),
    ]


def publish():
    first = batch(b"order 1", b"order 2", producer=7000, sequence=0)
    second = batch(b"paid 1", producer=7000, sequence=0)
    lost = batch(b"seen")
    return [
        HELLO, WELCOME,
        ["A producer id makes retries harmless: it stands in the batches, with a sequence for each partition."],
        ("client", "->", "INIT_PRODUCER", 2, InitProducer()),
        ("client", "<-", "PRODUCER", 2, Producer(producer_id=7000)),
        ["Two batches for two topics in one frame. Acks are left out: ACKS_ALL."],
        ("client", "->", "PUBLISH", 3, Publish(parts=[
            PublishPart(topic="orders.created", batch_bytes=len(first)),
            PublishPart(topic="orders.paid", partition=1, batch_bytes=len(second))]), first + second),
        ("client", "<-", "PUBLISHED", 3, Published(parts=[
            PublishedPart(base_offset=0, leader_epoch=3),
            PublishedPart(error=an_error(400, "orders.paid-1 is led by node 2", retriable=True, topic="orders.paid",
                                         partition=1))])),
        ["The second goes to node 2, the same bytes again. Meanwhile something that nobody waits for, to a topic that is",
         "not there: its failure is a NOTICE."],
        ("client", "->", "PUBLISH", 0, Publish(acks=ACKS_NONE, parts=[
            PublishPart(topic="page.views", batch_bytes=len(lost))]), lost),
        ("client", "<-", "NOTICE", 0, Notice(count=1, error=an_error(202, "there is no topic 'page.views'",
                                                                      topic="page.views"))),
    ]


def subscribe():
    first = batch(b"order 1", b"order 2", base=0, epoch=3)
    second = batch(b"order 3", b"order 4", base=2, epoch=3)
    third = batch(b"order 5", base=4, epoch=3)
    paid = batch(b"paid 1", base=0, epoch=4)

    def deliver(payload, **part):
        return "client", "<-", "DELIVER", 5, Deliver(parts=[Deliver.Part(bytes=len(payload), **part)]), payload
    return [
        HELLO, WELCOME,
        ["All topics of orders, from the start, with credit for three records and 64 KiB. 5 is the subscription's id."],
        ("client", "->", "SUBSCRIBE", 5, Subscribe(patterns=["orders.*"], credit_records=3, credit_bytes=65536,
                                                   **{"from": Position(at=Position.AT_START)})),
        ("client", "<-", "SUBSCRIBED", 5, Subscribed(partitions=[Subscribed.Partition(
            handle=1, topic="orders.created", topic_id=TOPIC_ID, leader_epoch=3, high_watermark=5, storage=STORAGE_LOG)])),
        ["Three records of credit: a batch of two goes, one is left; a batch goes while anything is left, and takes the",
         "credit to -1. Now the node waits."],
        deliver(first + second, handle=1, base_offset=0, high_watermark=5, leader_epoch=3),
        ["Four records are done with. Three are now left."],
        ("client", "->", "CREDIT", 5, Credit(records=4, bytes=len(first + second))),
        deliver(third, handle=1, base_offset=4, high_watermark=5, leader_epoch=3),
        ["A topic is made that the pattern matches. It joins from its start, and what is published to it follows."],
        ("client", "<-", "SUBSCRIPTION_EVENT", 5, SubscriptionEvent(joined=[Subscribed.Partition(
            handle=2, topic="orders.paid", topic_id=OTHER_ID, leader_epoch=4, storage=STORAGE_MEMORY)])),
        deliver(paid, handle=2, base_offset=0, high_watermark=1, leader_epoch=4),
        ["Back to offset 3. What comes with a generation below 1 is dropped from here on; its credit is given back.",
         "The batch begins at 2: the record of offset 2 is skipped."],
        ("client", "->", "CREDIT", 5, Credit(records=2, bytes=len(third + paid))),
        ("client", "->", "SEEK", 5, Seek(parts=[Seek.Part(handle=1, generation=1,
                                                          to=Position(at=Position.AT_OFFSET, value=3))])),
        ("client", "<-", "SOUGHT", 5, Sought(parts=[Sought.Part(handle=1, generation=1, offset=3)])),
        deliver(second + third, handle=1, base_offset=2, generation=1, high_watermark=5, leader_epoch=3),
        ["Somebody deletes orders.paid; then the client has enough."],
        ("client", "<-", "SUBSCRIPTION_EVENT", 5, SubscriptionEvent(gone=[SubscriptionEvent.Gone(
            handle=2, why=an_error(202, "the topic 'orders.paid' was deleted", topic="orders.paid"))])),
        ("client", "->", "UNSUBSCRIBE", 5, Unsubscribe()),
        ("client", "<-", "UNSUBSCRIBED", 5, Unsubscribed()),
    ]


def request():
    trace = [Header(key="traceparent", value=b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    return [
        ["Both clients have said HELLO, each on its connection. One offers to answer, at most two requests at a time."],
        ("server", "->", "SERVE", 7, Serve(subject="orders.price", max_in_flight=2)),
        ("server", "<-", "SERVING", 7, Serving()),
        ["The other asks, with a second to spare."],
        ("caller", "->", "REQUEST", 2, Request(subject="orders.price", timeout_ms=1000, headers=trace), b"42 apples"),
        ("server", "<-", "INVOKE", 7, Invoke(token=1, timeout_ms=999, headers=trace), b"42 apples"),
        ("server", "->", "REPLY", 7, Reply(token=1), b"12.60"),
        ("caller", "<-", "RESPONSE", 2, Response(), b"12.60"),
        ["An answer that is none: the server's own code and words."],
        ("caller", "->", "REQUEST", 3, Request(subject="orders.price", timeout_ms=1000), b"42 unicorns"),
        ("server", "<-", "INVOKE", 7, Invoke(token=2, timeout_ms=1000), b"42 unicorns"),
        ("server", "->", "REPLY", 7, Reply(token=2, error=ServiceError(code=404, message="there is no price of unicorns"))),
        ("caller", "<-", "RESPONSE", 3, Response(error=ServiceError(code=404, message="there is no price of unicorns"))),
        ["The server leaves. Whoever asks now is told so at once."],
        ("server", "->", "UNSERVE", 7, Unserve()),
        ("server", "<-", "UNSERVED", 7, Unserved()),
        ("caller", "->", "REQUEST", 4, Request(subject="orders.price", timeout_ms=1000), b"1 pear"),
        ("caller", "<-", "ERROR", 4, an_error(600, "nobody serves 'orders.price'", retriable=True)),
    ]


def main():
    write(HERE / "vectors.txt", ["One frame of every kind, made by generate.py. Do not edit."],
          [(*sender.split(), *rest) for sender, *rest in vectors()])
    document = ROOT / "docs/protocol.md"
    for conversation in (handshake, publish, subscribe, request):
        path = HERE.parent / "transcripts" / f"{conversation.__name__}.txt"
        title = f"Transcript: {conversation.__name__}. Made by foreign/generate.py."
        write(path, [title], conversation())
        block = re.compile(rf"```\n# {re.escape(title)}\n.*?```\n", re.DOTALL)
        document.write_text(block.sub(lambda _: f"```\n{path.read_text()}```\n", document.read_text()))


main()
