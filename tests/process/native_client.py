"""A native client of a hundred lines, written from docs/protocol.md; messages by Python's protobuf, nothing of Sluice's code.

Needs Debian's protobuf-compiler and python3-protobuf: the messages are compiled when this is imported.
"""
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAMILIES = ("session", "layout", "publish", "subscribe", "request", "topics")
KINDS = {
    "HELLO": 1, "WELCOME": 2, "ERROR": 3, "NOTICE": 4, "FLOW": 5, "PING": 6, "PONG": 7, "GOAWAY": 8, "DONE": 9,
    "LAYOUT": 16, "LAYOUT_REPLY": 17, "WATCH_LAYOUT": 18, "LAYOUT_CHANGED": 19,
    "PUBLISH": 32, "PUBLISHED": 33, "INIT_PRODUCER": 34, "PRODUCER": 35,
    "SUBSCRIBE": 48, "SUBSCRIBED": 49, "DELIVER": 50, "CREDIT": 51, "SUBSCRIPTION_EVENT": 52, "SEEK": 53, "SOUGHT": 54,
    "PAUSE": 55, "RESUME": 56, "UNSUBSCRIBE": 57, "UNSUBSCRIBED": 58,
    "SERVE": 64, "SERVING": 65, "INVOKE": 66, "REPLY": 67, "UNSERVE": 68, "UNSERVED": 69, "REQUEST": 70, "RESPONSE": 71,
    "OFFSETS": 80, "OFFSETS_REPLY": 81, "CREATE_TOPIC": 82, "TOPIC_CREATED": 83, "DELETE_TOPIC": 84, "ALTER_TOPIC": 85,
    "GROW_TOPIC": 86, "DESCRIBE_TOPIC": 87, "TOPIC_DESCRIPTION": 88, "DELETE_RECORDS": 89, "RECORDS_DELETED": 90}
NAMES = {number: name for name, number in KINDS.items()}
OTHER_NAMES = {"GOAWAY": "GoAway"}


def _compile():
    out = tempfile.mkdtemp(prefix="sluice-native-")
    sys.path.insert(0, out)
    try:
        files = [f"protocol/native/{family}.proto" for family in FAMILIES]
        subprocess.run(["protoc", f"--python_out={out}", f"-I{ROOT}", *files], check=True)
        return [__import__(f"protocol.native.{family}_pb2", fromlist=["x"]) for family in FAMILIES]
    finally:
        sys.path.remove(out)
        shutil.rmtree(out)


class Messages:
    """`Messages.Publish` and so on."""


for _module in _compile():
    for _name in dir(_module):
        if _name[0].isupper():
            setattr(Messages, _name, getattr(_module, _name))


def message_of(kind):
    """The message that is the header of a kind: WATCH_LAYOUT -> WatchLayout."""
    return getattr(Messages, OTHER_NAMES.get(kind) or "".join(word.capitalize() for word in kind.split("_")))


class NativeError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


class NativeClient:
    def __init__(self, port, greet=True, timeout_s=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.stream = self.socket.makefile("rb")
        self.last_id = 0
        self.kept = []  # frames that came while another was waited for
        if greet:
            self.welcome = self.ask("HELLO", min_version=1, max_version=1, client_name="test")[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, kind, id_, message=None, payload=b"", **fields):
        header = (message or message_of(kind)(**fields)).SerializeToString()
        self.socket.sendall(struct.pack("<IIHHI", 12 + len(header) + len(payload), len(header), KINDS[kind], 0, id_) +
                            header + payload)

    def receive(self):
        """The next frame: (kind, id, message, payload); None at the end of the connection."""
        prefix = self.stream.read(16)
        if len(prefix) < 16:
            return None
        size, header_bytes, kind, _, id_ = struct.unpack("<IIHHI", prefix)
        rest = self.stream.read(size - 12)
        message = message_of(NAMES[kind])()
        message.ParseFromString(rest[:header_bytes])
        return NAMES[kind], id_, message, rest[header_bytes:]

    def await_frame(self, id_, *kinds):
        """The next frame with that id (of these kinds, if they are given); others are kept. ERROR is raised."""
        for at, frame in enumerate(self.kept):
            if frame[1] == id_ and (not kinds or frame[0] in kinds):
                return self._checked(self.kept.pop(at))
        while True:
            frame = self.receive()
            if frame is None:
                raise ConnectionError("the node closed the connection")
            if frame[1] == id_ and (not kinds or frame[0] in kinds or frame[0] == "ERROR"):
                return self._checked(frame)
            self.kept.append(frame)

    @staticmethod
    def _checked(frame):
        if frame[0] == "ERROR":
            raise NativeError(frame[2])
        return frame

    def next_id(self):
        self.last_id += 1
        return self.last_id

    def ask(self, kind, message=None, payload=b"", **fields):
        """Sends a question and returns (message, payload) of its answer."""
        id_ = self.next_id()
        self.send(kind, id_, message, payload, **fields)
        _, _, answer, body = self.await_frame(id_)
        return answer, body

    def publish(self, topic, batch, partition=0, acks=None):
        """One batch, acknowledged; its part of PUBLISHED."""
        part = Messages.PublishPart(topic=topic, partition=partition, batch_bytes=len(batch))
        return self.ask("PUBLISH", Messages.Publish(acks=acks or Messages.ACKS_ALL, parts=[part]), batch)[0].parts[0]
