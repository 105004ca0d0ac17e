#!/usr/bin/env python3
"""Makes the foreign bytes that tests/protocol/kafka/foreign_vectors_test.cc holds our codec against.

Our codec is symmetric, so a round trip through it cannot notice a field that is missing, too wide or in the wrong
place. These frames were written by two independent implementations instead: kio for all but Produce 0-2 and
DescribeConfigs 0, which it does not have, and kafka-python for those. The outcome is committed; run this again only to add an API or a version:

    python3 -m venv venv && venv/bin/pip install kio==0.6.5 kafka-python==3.0.12 && venv/bin/python generate.py

Each API gets one file. A vector is a line `request|response API VERSION VARIANT HEX` (the frame without its length:
header and body) followed by one line `  PATH=VALUE` for each field, named as in Apache Kafka's message definitions.
Variants: full (all set, arrays of two), sparse (arrays of one, nulls, defaults for tagged fields), empty (no elements).
"""

import dataclasses
import datetime
import importlib
import io
import pathlib
import sys
import types
import typing
import uuid

from kafka.protocol.old import admin as old_admin
from kafka.protocol.old import api as old_api
from kafka.protocol.old import produce as old_produce
from kio.schema.errors import ErrorCode
from kio.serial import entity_writer
from kio.serial._introspect import get_field_tag
from kio.static.primitive import i32Timedelta

APIS = {  # name: (key, first version, last version)
    "produce": (0, 0, 11),
    "fetch": (1, 4, 16),
    "list_offsets": (2, 1, 8),
    "metadata": (3, 0, 12),
    "find_coordinator": (10, 0, 6),
    "api_versions": (18, 0, 4),
    "create_topics": (19, 2, 7),
    "delete_topics": (20, 1, 6),
    "delete_records": (21, 0, 2),
    "init_producer_id": (22, 0, 5),
    "offset_for_leader_epoch": (23, 2, 4),
    "describe_configs": (32, 0, 4),
    "alter_configs": (33, 0, 2),
    "describe_log_dirs": (35, 1, 4),
    "create_partitions": (37, 0, 3),
    "incremental_alter_configs": (44, 0, 1),
    "describe_cluster": (60, 0, 2),
}
VARIANTS = ("full", "sparse", "empty")


class Values:
    """A new value for each field: no two of a frame are alike, so a swapped pair shows."""

    def __init__(self):
        self.count = 0

    def make(self, kafka_type, name):
        self.count += 1
        n = self.count
        match kafka_type:
            case "int8":
                return n % 100 + 1
            case "int16":
                return 0x0100 + n
            case "int32" | "timedelta_i32":
                return 0x01020300 + n
            case "int64":
                return 0x0102030405060700 + n if n % 2 else -0x0102030405060700 - n
            case "datetime_i64":
                return 1_700_000_000_000 + n
            case "bool":
                return n % 2 == 0
            case "error_code":
                return n % 80 + 1
            case "string":
                return f"{name}-\u00fc-{n}"
            case "records" | "bytes":
                return bytes((n + i) % 256 for i in range(130 + n))
            case "uuid":
                return uuid.UUID(bytes=bytes((n * 7 + i) % 256 for i in range(16)))
        raise SystemExit(f"no value for {kafka_type}")


def kafka_name(field, kafka_type):
    return field.name + "_ms" if kafka_type in ("timedelta_i32", "datetime_i64") else field.name


def to_kio(kafka_type, value):
    if kafka_type == "timedelta_i32":
        return i32Timedelta.parse(datetime.timedelta(milliseconds=value))
    if kafka_type == "datetime_i64":
        return datetime.datetime.fromtimestamp(value // 1000, datetime.UTC) + datetime.timedelta(milliseconds=value % 1000)
    if kafka_type == "error_code":
        return ErrorCode(value)
    return value


def text_of(value):
    """How a value is written in the vector file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def build(entity, variant, values, path, lines):
    """An instance of the kio class `entity`; `lines` gets what its fields are."""
    hints = typing.get_type_hints(entity)
    arguments = {}
    for field in dataclasses.fields(entity):
        tag = get_field_tag(field)
        hint = hints[field.name]
        kafka_type = field.metadata.get("kafka_type")
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        may_be_null = type(None) in options and kafka_type not in ("uuid", "datetime_i64")
        hint = next(o for o in options if o is not type(None))
        is_array = typing.get_origin(hint) is tuple
        here = f"{path}{kafka_name(field, kafka_type)}"

        if variant != "full" and (tag is not None or may_be_null):
            if tag is None:
                arguments[field.name] = None
                lines.append(f"{here}=null")
            continue  # a tagged field keeps its default, and is not written
        if is_array:
            element = typing.get_args(hint)[0]
            count = {"full": 2, "sparse": 1, "empty": 0}[variant]
            lines.append(f"{here}.size={count}")
            items = []
            for i in range(count):
                if dataclasses.is_dataclass(element):
                    items.append(build(element, variant, values, f"{here}[{i}].", lines))
                else:
                    value = values.make(kafka_type, field.name)
                    items.append(to_kio(kafka_type, value))
                    lines.append(f"{here}[{i}]={text_of(value)}")
            arguments[field.name] = tuple(items)
        elif dataclasses.is_dataclass(hint):
            arguments[field.name] = build(hint, variant, values, here + ".", lines)
        else:
            value = values.make(kafka_type, field.name)
            if kafka_type == "bool" and tag is not None:
                value = True  # the default would not be written
            arguments[field.name] = to_kio(kafka_type, value)
            lines.append(f"{here}={text_of(value)}")
    return entity(**arguments)


def encode(instance):
    with io.BytesIO() as buffer:
        entity_writer(type(instance))(buffer, instance)
        return buffer.getvalue()


def header_of(entity, kind, key, version, variant, lines):
    schema = entity.__header_schema__
    correlation_id = 0x0A0B0C00 + version
    lines.append(f"correlation_id={correlation_id}")
    if kind == "response":
        return encode(schema(correlation_id=correlation_id))
    client_id = None if variant == "sparse" else f"foreign-{variant}"
    lines.append(f"client_id={text_of(client_id)}")
    return encode(schema(request_api_key=key, request_api_version=version, correlation_id=correlation_id,
                         client_id=client_id))


def by_kio(name, key, version, kind, variant):
    module = importlib.import_module(f"kio.schema.{name}.v{version}.{kind}")
    entity = next(c for c in vars(module).values()
                  if dataclasses.is_dataclass(c) and c.__module__ == module.__name__
                  and c.__type__.name == kind)
    lines = []
    header = header_of(entity, kind, key, version, variant, lines)
    return header + encode(build(entity, variant, Values(), "", lines)), lines


class OldFrame:
    """A frame in the making, from kafka-python's hand-written schemas: fields are made in order and noted as lines."""

    def __init__(self, variant):
        self.values, self.lines, self.variant = Values(), [], variant
        self.count = {"full": 2, "sparse": 1, "empty": 0}[variant]

    def header(self, kind, key, version):
        correlation_id = 0x0A0B0C00 + version
        self.lines.append(f"correlation_id={correlation_id}")
        if kind == "response":
            return old_api.ResponseHeader(correlation_id).encode()
        client_id = None if self.variant == "sparse" else f"foreign-{self.variant}"
        self.lines.append(f"client_id={text_of(client_id)}")
        return old_api.RequestHeader(key, version, correlation_id, client_id).encode()

    def field(self, path, kafka_type, nullable=False):
        made = None if nullable and self.variant != "full" else self.values.make(kafka_type, path.rsplit(".")[-1])
        self.lines.append(f"{path}={text_of(made)}")
        return made

    def array(self, path, make):
        """What `make` makes of the path of each element."""
        self.lines.append(f"{path}.size={self.count}")
        return [make(f"{path}[{n}]") for n in range(self.count)]


def produce_by_kafka_python(version, kind, variant):
    frame = OldFrame(variant)
    header = frame.header(kind, 0, version)
    if kind == "request":
        acks, timeout = frame.field("acks", "int16"), frame.field("timeout_ms", "int32")

        def partition_data(path):
            return frame.field(path + ".index", "int32"), frame.field(path + ".records", "records", nullable=True)

        topics = frame.array("topic_data", lambda path: (frame.field(path + ".name", "string"),
                                                         frame.array(path + ".partition_data", partition_data)))
        body = old_produce.ProduceRequest[version](required_acks=acks, timeout=timeout, topics=topics)
        return header + body.encode(), frame.lines

    def partition_response(path):
        fields = [frame.field(path + ".index", "int32"), frame.field(path + ".error_code", "error_code"),
                  frame.field(path + ".base_offset", "int64")]
        if version >= 2:
            fields.append(frame.field(path + ".log_append_time_ms", "int64"))
        return tuple(fields)

    arguments = {"topics": frame.array("responses", lambda path: (frame.field(path + ".name", "string"),
                                                                  frame.array(path + ".partition_responses", partition_response)))}
    if version >= 1:
        arguments["throttle_time_ms"] = frame.field("throttle_time_ms", "int32")
    return header + old_produce.ProduceResponse[version](**arguments).encode(), frame.lines


def describe_configs_by_kafka_python(version, kind, variant):
    frame = OldFrame(variant)
    header = frame.header(kind, 32, version)
    if kind == "request":
        def resource(path):
            kind_and_name = frame.field(path + ".resource_type", "int8"), frame.field(path + ".resource_name", "string")
            if variant == "full":
                return *kind_and_name, frame.array(path + ".configuration_keys", lambda at: frame.field(at, "string"))
            frame.lines.append(f"{path}.configuration_keys=null")
            return *kind_and_name, None

        body = old_admin.DescribeConfigsRequest[version](resources=frame.array("resources", resource))
        return header + body.encode(), frame.lines

    def config(path):
        return (frame.field(path + ".name", "string"), frame.field(path + ".value", "string", nullable=True),
                frame.field(path + ".read_only", "bool"), frame.field(path + ".is_default", "bool"),
                frame.field(path + ".is_sensitive", "bool"))

    def result(path):
        return (frame.field(path + ".error_code", "error_code"), frame.field(path + ".error_message", "string", nullable=True),
                frame.field(path + ".resource_type", "int8"), frame.field(path + ".resource_name", "string"),
                frame.array(path + ".configs", config))

    throttle = frame.field("throttle_time_ms", "int32")
    body = old_admin.DescribeConfigsResponse[version](throttle_time_ms=throttle, results=frame.array("results", result))
    return header + body.encode(), frame.lines


def main():
    folder = pathlib.Path(__file__).parent
    total = 0
    for name, (key, first, last) in APIS.items():
        out = [f"# Foreign bytes of {name}, made by generate.py. Do not edit."]
        for version in range(first, last + 1):
            for kind in ("request", "response"):
                for variant in VARIANTS:
                    if name == "produce" and version < 3:
                        frame, lines = produce_by_kafka_python(version, kind, variant)
                    elif name == "describe_configs" and version < 1:
                        frame, lines = describe_configs_by_kafka_python(version, kind, variant)
                    else:
                        frame, lines = by_kio(name, key, version, kind, variant)
                    out.append(f"{kind} {key} {version} {variant} {frame.hex()}")
                    out.extend("  " + line for line in lines)
                    total += 1
        (folder / f"{name}.txt").write_text("\n".join(out) + "\n", encoding="utf-8")
    print(f"{total} vectors of {len(APIS)} APIs", file=sys.stderr)


if __name__ == "__main__":
    main()
