"""Which protocol a sample speaks: told from what its standard requires, before it is taken for a plain document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from google.transit import gtfs_realtime_pb2 as gtfs

from connectors.decoders.codecs import CODECS
from connectors.decoders.lorawan import decode_lorawan
from connectors.errors import FeedError
from connectors.specs.protocols import LorawanDecoder

__all__ = ["asked", "gtfs_tables", "of_bytes", "of_document"]

_NETWORKS = ("chirpstack", "tts", "loriot", "thingpark")
_SENML = frozenset({"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"})
_ATTRIBUTES = frozenset({"Property", "GeoProperty", "Relationship", "LanguageProperty"})


def gtfs_tables(names: Sequence[str]) -> list[str]:
    """Name the table of a GTFS archive to begin with; nothing if the files of an archive are none."""
    found = {name.rpartition("/")[2] for name in names}
    return ["stops"] if {"stops.txt", "routes.txt", "trips.txt"} <= found else []


def of_bytes(raw: bytes) -> dict[str, Any] | None:
    """Return the `decoder` section of a binary message."""
    message = gtfs.FeedMessage()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        return None
    if not message.header.gtfs_realtime_version[:1].isdecimal() or not message.entity:
        return None
    first = next((one for one in ("vehicle", "trip_update", "alert") if message.entity[0].HasField(one)), None)
    return {"kind": "gtfs-rt", "entity": first} if first is not None else None


def of_document(document: Any) -> dict[str, Any] | None:
    """Return the `decoder` section of a JSON document; None: of no protocol that is known here."""
    if isinstance(document, list):
        return _of_list(document)
    if not isinstance(document, dict):
        return None
    if len(document) == 1 and next(iter(document)).startswith("m2m:"):
        return {"kind": "onem2m"}
    if "last_updated" in document and isinstance(document.get("data"), dict) and {"ttl", "version"} & document.keys():
        return {"kind": "gbfs"}
    if _is_entity(document) and _is_normalised(document):
        return {"kind": "ngsi"}
    told = isinstance(document.get("data"), list) and all(map(_is_entity, document["data"]))
    if told and document["data"] and ("subscriptionId" in document or document.get("type") == "Notification"):
        return {"kind": "ngsi"}
    return _lorawan(document)


def asked(spec: Mapping[str, Any]) -> list[str]:
    """Say what a draft for a protocol has to ask."""
    if spec["kind"] == "lorawan" and set(spec["codecs"].values()) != {"network"}:
        codec = spec["codecs"]["*"]
        return [f"the network sent no decoded payload, and codec {codec} can read it: is the device of that make?"]
    if spec["kind"] == "gtfs":
        return ["one feed takes one table of a timetable: stops here; name another in decoder.tables, or draft it too"]
    if spec["kind"] == "gtfs-rt" and spec["entity"] == "trip_update":
        return ["is a record a trip (trip_update), or each of its stops (stop_time)?"]
    return []


def _of_list(items: list[Any]) -> dict[str, Any] | None:
    if not items or not all(isinstance(one, dict) for one in items):
        return None
    first = items[0]
    if {"bn", "n"} & first.keys() and all(one.keys() <= _SENML for one in items):
        return {"kind": "senml"}
    return {"kind": "ngsi"} if all(_is_entity(one) and _is_normalised(one) for one in items) else None


def _is_entity(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("id"), str) and bool(one.get("type"))


def _is_normalised(one: Mapping[str, Any]) -> bool:
    """Whether an entity's attributes are those of NGSI-LD, or of NGSIv2 with its `metadata`."""
    attributes = [value for name, value in one.items() if name not in {"id", "type", "@context"}]
    return bool(attributes) and all(
        isinstance(value, dict) and (value.get("type") in _ATTRIBUTES or {"type", "value"} <= value.keys())
        for value in attributes
    )


def _lorawan(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the network of an uplink, and the first codec that reads its payload, the network's own before all."""
    raw = orjson.dumps(document)
    for network in _NETWORKS:
        for codec in ("network", *CODECS):
            spec = {"kind": "lorawan", "network": network, "codecs": {"*": codec}}
            (found,) = decode_lorawan(BytesIO(raw), "sample", LorawanDecoder.model_validate(spec))
            if found.record is not None and found.record["values"]:
                return spec
            if found.rejection is not None and found.rejection.rule not in {"codec", "payload"}:
                break
        else:
            raise FeedError(
                f"is an uplink of {network} whose payload no codec here reads ({', '.join(CODECS)}): "
                "have the network server decode it"
            )
    return None
