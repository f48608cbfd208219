"""GTFS-Realtime: vehicle positions, trip updates and alerts of a feed message as plain records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError
from google.transit import gtfs_realtime_pb2 as gtfs

from connectors.decoders.decoded import Decoded, rejected
from connectors.specs.protocols import GtfsRtDecoder

__all__ = ["decode_gtfs_rt"]

_DIGITS = {"latitude": 6, "longitude": 6}
_FIELD = {"vehicle": "vehicle", "trip_update": "trip_update", "stop_time": "trip_update", "alert": "alert"}
_SAID = {"vehicle": "vehicle position", "trip_update": "trip update", "alert": "alert"}


def decode_gtfs_rt(stream: BinaryIO, name: str, spec: GtfsRtDecoder) -> Iterator[Decoded]:
    """Yield a record per entity, with the message's own time as `feed_timestamp`; position `<name>#<number>`, from 0.

    With `entity: stop_time` each stop of a trip update is a record of its own, the trip and vehicle repeated in it.
    """
    raw = stream.read()
    message = gtfs.FeedMessage()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        yield rejected(name, "protobuf", "", "the bytes are no GTFS-Realtime message; is the URL right?", raw)
        return
    made = message.header.timestamp
    field = _FIELD[spec.entity]
    for at, entity in enumerate(message.entity):
        position = f"{name}#{at}"
        if at >= spec.max_entities:
            yield rejected(position, "records", "", f"more than {spec.max_entities} entities in one message", raw)
            return
        if not entity.HasField(field):
            yield rejected(position, field, field, f"the entity is no {_SAID[field]}", raw)
            continue
        record = {"id": entity.id, "feed_timestamp": made, **_plain(getattr(entity, field), spec.language)}
        if spec.entity == "stop_time":
            stops = record.pop("stop_time_update", [])
            yield from (Decoded(f"{position}/{n}", {**record, **stop}) for n, stop in enumerate(stops))
        else:
            yield Decoded(position, record)


def _plain(message: Any, language: str | None) -> dict[str, Any]:
    """Turn a message into an object; enumerations by name, translated texts as one text, unset members left out."""
    return {field.name: _value(field, value, language) for field, value in message.ListFields()}


def _value(field: Any, value: Any, language: str | None) -> Any:
    if field.is_repeated:
        return [_single(field, item, language) for item in value]
    return _single(field, value, language)


def _single(field: Any, value: Any, language: str | None) -> Any:
    if field.message_type is not None:
        if field.message_type.name == "TranslatedString":
            return _text(value, language)
        return _plain(value, language)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if isinstance(value, float):  # single precision: further digits are noise
        return round(value, _DIGITS.get(field.name, 3))
    return value


def _text(translated: Any, language: str | None) -> str | None:
    texts = {one.language: one.text for one in reversed(translated.translation)}
    if not texts:
        return None
    return str(texts.get(language or "", translated.translation[0].text))
