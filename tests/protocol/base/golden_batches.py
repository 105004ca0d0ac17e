#!/usr/bin/python3
"""Prints golden_batches.h: record batches and compressed bytes made by encoders that are not ours.

  tests/protocol/base/golden_batches.py > tests/protocol/base/golden_batches.h

librdkafka's batches are caught by a broker of sixty lines that answers just enough for it to send one Produce
request. kafka-python's come from its DefaultRecordBatchBuilder; for xerial's snappy framing it calls libsnappy.
Needs Debian's python3-confluent-kafka, python3-kafka, lz4, gzip and libsnappy1v5. Run again, gzip's bytes differ by
their time.
"""
import ctypes, socket, struct, subprocess, sys, tempfile, threading, types


# --- librdkafka ---

def text(t):
    return struct.pack('>h', len(t)) + t.encode()


class CatchingBroker:
    def __init__(self):
        self.caught = []
        self.server = socket.create_server(('127.0.0.1', 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.server.accept()[0],), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile('rb')
        while len(size := stream.read(4)) == 4:
            frame = stream.read(struct.unpack('>i', size)[0])
            api, version, correlation, id_size = struct.unpack('>hhih', frame[:10])
            reply = struct.pack('>i', correlation) + self.answer(api, version, frame[10 + max(id_size, 0):])
            connection.sendall(struct.pack('>i', len(reply)) + reply)

    def answer(self, api, version, body):
        if api == 18:  # ApiVersions, always answered as v0
            apis = [(0, 0, 7), (1, 0, 11), (2, 0, 2), (3, 0, 2), (10, 0, 0), (11, 0, 0), (12, 0, 0), (18, 0, 0), (22, 0, 0)]
            return struct.pack('>hi', 35 if version else 0, len(apis)) + b''.join(struct.pack('>hhh', *a) for a in apis)
        if api == 3:  # Metadata v2: one broker, topic t with one partition
            return (struct.pack('>ii', 1, 1) + text('127.0.0.1') + struct.pack('>ih', self.port, -1) + text('c')
                    + struct.pack('>iih', 1, 1, 0) + text('t') + struct.pack('>?ihiiiiii', False, 1, 0, 0, 1, 1, 1, 1, 1))
        if api == 22:  # InitProducerId v0
            return struct.pack('>ihqh', 0, 0, 7000, 3)
        assert api == 0, api  # Produce v7: null transactional id, acks, time-out, one topic, one partition
        at = 2 + 6 + 4 + 2 + 1 + 4 + 4
        size, = struct.unpack('>i', body[at:at + 4])
        self.caught.append(body[at + 4:at + 4 + size])
        return struct.pack('>i', 1) + text('t') + struct.pack('>iihqqqi', 1, 0, 0, 0, -1, 0, 0)


def librdkafka_batch(codec, idempotent=False):
    import confluent_kafka
    broker = CatchingBroker()
    producer = confluent_kafka.Producer({'bootstrap.servers': f'127.0.0.1:{broker.port}', 'compression.type': codec,
                                         'linger.ms': 200, 'enable.idempotence': idempotent})
    for i in range(3):
        producer.produce('t', key=f'key-{i}', value=None if i == 1 else b'value ' * 8 + b'%d' % i,
                         headers=[('h', b'x'), ('n', None)] if i == 2 else None, timestamp=1700000000000 + i, partition=0)
    assert producer.flush(10) == 0
    batch, = broker.caught
    return batch


# --- kafka-python ---

def use_libsnappy():
    library = ctypes.CDLL('libsnappy.so.1')

    def compress(data):
        size = ctypes.c_size_t(library.snappy_max_compressed_length(ctypes.c_size_t(len(data))))
        out = ctypes.create_string_buffer(size.value)
        assert library.snappy_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size)) == 0
        return out.raw[:size.value]
    sys.modules['snappy'] = types.SimpleNamespace(compress=compress)


def kafka_python_batch(codec, transactional=False):
    from kafka.record.default_records import DefaultRecordBatchBuilder
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=codec, is_transactional=transactional,
                                        producer_id=123456789012 if transactional else -1,
                                        producer_epoch=7 if transactional else -1,
                                        base_sequence=2147483646 if transactional else -1, batch_size=1 << 20)
    builder.append(0, 1600000000500, b'k0', b'first', [])
    builder.append(1, 1600000000400, None, b'v' * 100, [('trace', b'\x00\xff'), ('empty', b'')])  # earlier than its base
    builder.append(2, 1600000001500, b'', b'', [])
    builder.append(3, 1600000000501, b'k3', None, [('none', None)])
    return bytes(builder.build())


# --- command-line tools ---

def piped(command, data):
    with tempfile.NamedTemporaryFile() as file:  # a file, so that the tool knows its size
        file.write(data)
        file.flush()
        return subprocess.run(command + [file.name], stdout=subprocess.PIPE, check=True).stdout


def main():
    use_libsnappy()
    long_text = b''.join(b'line %d of a text\n' % (i % 10) for i in range(5000))  # 85,000 bytes: two blocks of 64 KiB
    golden = {
        **{f'kRdkafka{codec.capitalize()}': librdkafka_batch(codec) for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd')},
        'kRdkafkaIdempotent': librdkafka_batch('none', idempotent=True),
        'kPythonNone': kafka_python_batch(0),
        'kPythonTransactional': kafka_python_batch(0, transactional=True),
        'kPythonGzip': kafka_python_batch(1),
        'kPythonXerial': kafka_python_batch(2),
        'kLz4LinkedBlocks': piped(['lz4', '-c', '-B4', '-BD', '-BX', '--content-size', '-q'], long_text),
        'kLz4TwoFrames': piped(['lz4', '-c'], b'hello, ') + piped(['lz4', '-c'], b'world'),
        'kGzipTwoMembers': piped(['gzip', '-cn'], b'hello, ') + piped(['gzip', '-cn'], b'world'),
    }
    print('// Made by golden_batches.py (there it says how); not edited by hand. Record batches of librdkafka 2.0.2 and kafka-python\n'
          '// 2.0.2, and output of the lz4 and gzip tools, as hexadecimal digits. rdkafka: 3 records of time 1700000000000 + i, keys\n'
          '// key-i, values "value " x 8 and i, but none in record 1; record 2 has headers h = x and n = none. python: see its batch.\n'
          '// Linked blocks: 85,000 bytes of "line I of a text\\n", I = 0-9 over and over. Two frames, two members: "hello, " "world".\n'
          '#pragma once\n\n#include <string_view>\n\nnamespace sluice::golden {\n\n// clang-format off')
    for name, data in golden.items():
        digits = data.hex()
        print(f'inline constexpr std::string_view {name} =')
        lines = [f'    "{digits[i:i + 112]}"' for i in range(0, len(digits), 112)]
        print('\n'.join(lines) + ';')
    print('// clang-format on\n\n}  // namespace sluice::golden')


main()
