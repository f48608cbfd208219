"""Sparkplug B (Eclipse Sparkplug 3.0): births, data and deaths of edge nodes and their devices.

Data messages may name metrics by an alias that the birth gave, so births are remembered (`memory`, kept with the feed's
place, because a restarted process sees no birth). A payload becomes one record: {group, node, device, message: BIRTH |
DATA | DEATH, online, seq, time, metrics: {name: value}, times: {name: time}}; a slash in a metric's name becomes a dot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, BinaryIO

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from connectors.decoders.decoded import Decoded, rejected
from connectors.functions import epoch_ms
from connectors.specs.protocols import SparkplugDecoder

__all__ = ["decode_sparkplug", "payload_class"]

_FIELDS = descriptor_pb2.FieldDescriptorProto
_KINDS = {"NBIRTH": "BIRTH", "DBIRTH": "BIRTH", "NDATA": "DATA", "DDATA": "DATA", "NDEATH": "DEATH", "DDEATH": "DEATH"}
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
_DATE_TIME = 13
_VALUES = ("int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value")
_LATEST_MS = 253_402_300_799_999
_METRIC: tuple[tuple[str, int, int], ...] = (
    ("name", 1, _FIELDS.TYPE_STRING), ("alias", 2, _FIELDS.TYPE_UINT64), ("timestamp", 3, _FIELDS.TYPE_UINT64),
    ("datatype", 4, _FIELDS.TYPE_UINT32), ("is_historical", 5, _FIELDS.TYPE_BOOL),
    ("is_transient", 6, _FIELDS.TYPE_BOOL), ("is_null", 7, _FIELDS.TYPE_BOOL), ("int_value", 10, _FIELDS.TYPE_UINT32),
    ("long_value", 11, _FIELDS.TYPE_UINT64), ("float_value", 12, _FIELDS.TYPE_FLOAT),
    ("double_value", 13, _FIELDS.TYPE_DOUBLE), ("boolean_value", 14, _FIELDS.TYPE_BOOL),
    ("string_value", 15, _FIELDS.TYPE_STRING), ("bytes_value", 16, _FIELDS.TYPE_BYTES),
)  # fmt: skip


@cache
def payload_class() -> Any:
    """Build the message class of a payload; datasets and templates are passed over as unknown fields."""
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="datapolis.sparkplug", syntax="proto2")
    metric = file.message_type.add(name="Metric")
    for name, number, kind in _METRIC:
        metric.field.add(name=name, number=number, type=kind, label=_FIELDS.LABEL_OPTIONAL)
    payload = file.message_type.add(name="Payload")
    payload.field.add(name="timestamp", number=1, type=_FIELDS.TYPE_UINT64, label=_FIELDS.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics", number=2, type=_FIELDS.TYPE_MESSAGE, label=_FIELDS.LABEL_REPEATED,
        type_name=".datapolis.sparkplug.Metric",
    )  # fmt: skip
    payload.field.add(name="seq", number=3, type=_FIELDS.TYPE_UINT64, label=_FIELDS.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("datapolis.sparkplug.Payload"))


def decode_sparkplug(stream: BinaryIO, name: str, spec: SparkplugDecoder, memory: dict[str, Any]) -> Iterator[Decoded]:
    """Yield the record of one payload; `name` is its topic. Unknown aliases are rejected by rule `alias`."""
    raw = stream.read()
    parts = name.split("/")
    if len(parts) not in {4, 5} or parts[0] != "spBv1.0" or parts[2] not in _KINDS:
        yield rejected(name, "topic", "", "the topic is none of spBv1.0/<group>/<N|D><BIRTH|DATA|DEATH>/..", raw)
        return
    message = payload_class()()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        yield rejected(name, "protobuf", "", "the bytes are no Sparkplug B payload", raw)
        return
    if len(message.metrics) > spec.max_metrics:
        yield rejected(name, "records", "", f"more than {spec.max_metrics} metrics in one payload", raw)
        return
    kind = _KINDS[parts[2]]
    record = _head(parts, kind, message)
    who = "/".join(part for part in (parts[1], *parts[3:]))
    if kind == "BIRTH":
        memory[who] = {str(one.alias): [one.name, one.datatype] for one in message.metrics if one.HasField("alias")}
    unknown = _measure(message, record, memory.get(who, {}))
    if unknown:
        yield rejected(
            name, "alias", "metrics", f"no birth has named {unknown} of the metrics; ask the node for a rebirth", raw
        )
    if not unknown or record["metrics"]:
        yield Decoded(name, record)


def _head(parts: list[str], kind: str, message: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"group": parts[1], "node": parts[3], "message": kind, "online": kind != "DEATH",
                              "metrics": {}, "times": {}}  # fmt: skip
    if len(parts) == 5:
        record["device"] = parts[4]
    if message.HasField("seq"):
        record["seq"] = message.seq
    if (at := _time(message.timestamp)) is not None:
        record["time"] = at
    return record


def _measure(message: Any, record: dict[str, Any], aliases: dict[str, list[Any]]) -> int:
    """Put the metrics into the record; return how many have an alias that nobody named."""
    unknown = 0
    for metric in message.metrics:
        label, datatype = metric.name, metric.datatype
        if not label:
            known = aliases.get(str(metric.alias))
            if known is None:
                unknown += 1
                continue
            label, datatype = known[0], datatype or known[1]
        label = label.replace("/", ".")
        value = _value(metric, datatype)
        if value is None:
            continue
        record["metrics"][label] = value
        at = _time(metric.timestamp) or record.get("time")
        if at is not None:
            record["times"][label] = at
    return unknown


def _value(metric: Any, datatype: int) -> Any:
    member = next((one for one in _VALUES if metric.HasField(one)), None)
    if metric.is_null or member is None:
        return None
    value = getattr(metric, member)
    bits = _SIGNED_BITS.get(datatype)
    if bits is not None and isinstance(value, int):
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value
    if datatype == _DATE_TIME:
        return _time(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(f"{value:.7g}") if member == "float_value" else value
    return value


def _time(milliseconds: int) -> str | None:
    return epoch_ms(milliseconds) if 0 < milliseconds <= _LATEST_MS else None
