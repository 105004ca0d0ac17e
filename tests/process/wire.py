"""The Kafka protocol by hand, as far as it takes to say something wrong to a broker."""
import socket
import struct

PRODUCE, FETCH, METADATA, API_VERSIONS = 0, 1, 3, 18


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def request(api, version, body=b"", correlation=1, client="test", tags=b""):
    """A whole frame; `tags` is b"\\0" where the version is flexible."""
    payload = struct.pack(">hhi", api, version, correlation) + string(client) + tags + body
    return struct.pack(">i", len(payload)) + payload


def produce_v3(topic, partition, records, acks=-1):
    """A Produce request whose record data is just what is given."""
    return request(PRODUCE, 3, struct.pack(">hhi", -1, acks, 10_000) + struct.pack(">i", 1) + string(topic) +
                   struct.pack(">iii", 1, partition, len(records)) + records)


class Connection:
    def __init__(self, broker, limit_s=20):
        self.socket = socket.create_connection(("127.0.0.1", broker.port), timeout=limit_s)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, size):
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            if not more:
                raise ConnectionError(f"closed after {len(got)} of {size} bytes")
            got += more
        return got

    def reply(self):
        """(correlation id, body) of the next reply."""
        size, = struct.unpack(">i", self.receive(4))
        payload = self.receive(size)
        return struct.unpack(">i", payload[:4])[0], payload[4:]

    def is_closed(self):
        """Waits for the other side to close, and tells whether it did without sending anything."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()
