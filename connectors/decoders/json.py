"""JSON documents: one record, or the list that an expression picks.

A document of up to 32 MB is taken whole, so that a damaged one gives nothing; of a larger one the list is read in
pieces, if `records` is a plain path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.split import items
from connectors.decoders.unpack import Damaged
from connectors.expression import compile_expression
from connectors.feed import JsonDecoder

__all__ = ["decode_json"]

_WHOLE = 32_000_000
_MOST_RECORD = 5_000_000
_PLAIN_PATH = re.compile(r"@|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def decode_json(stream: BinaryIO, name: str, spec: JsonDecoder) -> Iterator[Decoded]:
    """Yield a record per object found. The position is `<name>#<n>`."""
    raw = stream.read(_WHOLE)
    if more := stream.read(1):
        yield from _large(raw + more, stream, name, spec)
        return
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield rejected(name, "json", "", "the bytes are no JSON document", raw)
        return
    found = compile_expression(spec.records, "decoder.records")(document)
    for at, item in enumerate(found if isinstance(found, list) else [found]):
        if at >= spec.max_records:
            yield _too_many(name, spec)
            return
        yield _record(item, f"{name}#{at}", raw, spec)


def _large(head: bytes, stream: BinaryIO, name: str, spec: JsonDecoder) -> Iterator[Decoded]:
    if _PLAIN_PATH.fullmatch(spec.records) is None:
        raise Damaged("length", "a document over 32 MB needs a plain path in decoder.records, such as data.items")
    path = [] if spec.records == "@" else spec.records.split(".")
    for at, raw in enumerate(items(stream, path, _MOST_RECORD, head)):
        if at >= spec.max_records:
            yield _too_many(name, spec)
            return
        try:
            yield _record(orjson.loads(raw), f"{name}#{at}", raw, spec)
        except orjson.JSONDecodeError:
            yield rejected(f"{name}#{at}", "json", "", "the record is no JSON", raw)


def _record(item: Any, position: str, raw: bytes, spec: JsonDecoder) -> Decoded:
    if isinstance(item, dict):
        return Decoded(position, item)
    if spec.value is not None and isinstance(item, str | int | float):
        return Decoded(position, {spec.value: item})
    return rejected(position, "object", "", "a record is a JSON object; see decoder.records and decoder.value", raw)


def _too_many(name: str, spec: JsonDecoder) -> Decoded:
    return rejected(name, "records", "", f"more than {spec.max_records} records; raise decoder.max_records", b"")
