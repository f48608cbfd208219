"""GTFS-Realtime vehicle positions (protobuf, gtfs.org/realtime/reference)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError
from google.transit import gtfs_realtime_pb2 as gtfs

from connectors.decoders.decoded import Decoded, rejected
from connectors.feed import GtfsRtDecoder

__all__ = ["decode_gtfs_rt"]

_STATUS = gtfs.VehiclePosition.VehicleStopStatus.Name


def decode_gtfs_rt(stream: BinaryIO, name: str, spec: GtfsRtDecoder) -> Iterator[Decoded]:
    """Yield a record per vehicle, with the message's own time as `feed_timestamp`; position `<name>#<entity id>`."""
    raw = stream.read()
    message = gtfs.FeedMessage()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        yield rejected(name, "protobuf", "", "the bytes are no GTFS-Realtime message; is the URL right?", raw)
        return
    made = message.header.timestamp
    for at, entity in enumerate(message.entity):
        position = f"{name}#{entity.id}"
        if at >= spec.max_entities:
            yield rejected(position, "records", "", f"more than {spec.max_entities} entities in one message", raw)
            return
        if not entity.HasField("vehicle"):
            yield rejected(position, "vehicle", "vehicle", "the entity is no vehicle position", raw)
            continue
        yield Decoded(position, _record(entity, made))


def _record(entity: Any, made: int) -> dict[str, Any]:
    vehicle = entity.vehicle
    record: dict[str, Any] = {"id": entity.id, "feed_timestamp": made}
    for name, value in vehicle.ListFields():
        key = name.name
        if key == "position":
            record[key] = _position(value)
        elif key == "current_status":
            record[key] = _STATUS(value)
        elif name.message_type is not None:
            if not name.is_repeated:
                record[key] = {inner.name: item for inner, item in value.ListFields() if inner.message_type is None}
        else:
            record[key] = value
    return record


def _position(value: Any) -> dict[str, float]:
    """Round single-precision coordinates to a millionth of a degree (0.1 m): their last digits are noise."""
    digits = {"latitude": 6, "longitude": 6}
    return {name.name: round(item, digits.get(name.name, 3)) for name, item in value.ListFields()}
