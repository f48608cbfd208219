"""JSON documents: one record, or the list that an expression picks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import orjson

from connectors.decoders.decoded import Decoded, rejected
from connectors.expression import compile_expression
from connectors.feed import JsonDecoder

__all__ = ["decode_json"]


def decode_json(stream: BinaryIO, name: str, spec: JsonDecoder) -> Iterator[Decoded]:
    """Yield a record per object found. The position is `<name>#<n>`."""
    raw = stream.read()
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield rejected(name, "json", "", "the bytes are no JSON document", raw)
        return
    found = compile_expression(spec.records, "decoder.records")(document)
    items = found if isinstance(found, list) else [found]
    for at, item in enumerate(items[: spec.max_records]):
        if isinstance(item, dict):
            yield Decoded(f"{name}#{at}", item)
        else:
            yield rejected(f"{name}#{at}", "object", "", "a record is a JSON object; see decoder.records", raw)
    if len(items) > spec.max_records:
        yield rejected(name, "records", "", f"more than {spec.max_records} records; raise decoder.max_records", raw)
