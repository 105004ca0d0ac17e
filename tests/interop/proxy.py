"""A proxy between Kafka clients and a broker that loses replies and cuts connections, by a seeded chance.

It forwards whole frames. What may happen to a Produce or Fetch on its way, each by its own chance:
  cut        the connection ends before the request reaches the broker
  lost       the broker gets the request, and the connection ends instead of the reply
  torn       the connection ends in the middle of the reply
  silent     the reply never comes; the connection stays, and the client waits until its own time-out
Thread safety: counts and the chance are behind one lock; each connection has two threads.
"""
import random
import socket
import struct
import threading

KINDS = ("cut", "lost", "torn", "silent")
FAULTY = (0, 1)  # Produce, Fetch


def frame_of(source):
    """The next frame, its length included; None at the end."""
    data, need = b"", 4
    while len(data) < need:
        more = source.recv(need - len(data))
        if not more:
            return None
        data += more
        if len(data) == 4:
            need = 4 + struct.unpack(">i", data)[0]
    return data


class Proxy:
    def __init__(self, seed, **chances):
        self.chances = chances
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.counts = dict.fromkeys(KINDS, 0)
        self.calm = False
        self.broker_port = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = set()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            ending = list(self.sockets)
        self.end(*ending)

    def fate(self):
        """What happens to one exchange: a kind of fault, or None."""
        with self.lock:
            drawn = self.random.random()
            if self.calm:
                return None
            for kind in KINDS:
                drawn -= self.chances.get(kind, 0)
                if drawn < 0:
                    self.counts[kind] += 1
                    return kind
        return None

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.broker_port), timeout=20)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            with self.lock:
                self.sockets |= {client, broker}
            fates = {}  # correlation id -> fate, of requests whose reply is to come
            for work in (self.requests, self.replies):
                threading.Thread(target=work, args=(client, broker, fates), daemon=True).start()

    def end(self, *sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
            with self.lock:
                self.sockets.discard(each)

    def requests(self, client, broker, fates):
        try:
            while (frame := frame_of(client)) is not None:
                api, _, correlation = struct.unpack_from(">hhi", frame, 4)
                fate = self.fate() if api in FAULTY else None
                if fate == "cut":
                    break
                if fate:
                    fates[correlation] = fate
                broker.sendall(frame)
        except OSError:
            pass  # one of the two sides has gone
        self.end(client, broker)

    def replies(self, client, broker, fates):
        try:
            while (frame := frame_of(broker)) is not None:
                fate = fates.pop(struct.unpack_from(">i", frame, 4)[0], None)
                if fate == "lost":
                    break
                if fate == "torn":
                    client.sendall(frame[:len(frame) // 2])
                    break
                if fate != "silent":
                    client.sendall(frame)
        except OSError:
            pass
        self.end(client, broker)
        client.close()
        broker.close()
