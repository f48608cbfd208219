"""Notifications of NGSI-LD and NGSIv2 brokers: the entities in them, each attribute reduced to its value.

A record is {id, type, attrs: {name: value}, observed: {name: time}, units: {name: code}, notified: time}; names are
short. NGSI-LD comes normalized, concise or simplified; NGSIv2 normalized or as key-values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from connectors.decoders.decoded import Decoded, rejected
from connectors.specs.protocols import NgsiDecoder

__all__ = ["decode_ngsi"]

_SHORT = re.compile(r"[/#:]")
_OUTSIDE = frozenset({"id", "type", "@context", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
_LD = {"Property": "value", "GeoProperty": "value", "Relationship": "object", "LanguageProperty": "languageMap",
       "VocabProperty": "vocab", "JsonProperty": "json", "ListProperty": "valueList",
       "ListRelationship": "objectList"}  # fmt: skip


def decode_ngsi(stream: BinaryIO, name: str, spec: NgsiDecoder) -> Iterator[Decoded]:
    """Yield a record per entity of the notification. The position is `<name>#<number>`, from 0."""
    raw = stream.read()
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield rejected(name, "json", "", "the bytes are no JSON document", raw)
        return
    data = message.get("data") if isinstance(message, dict) else message  # a query's answer is a plain list
    if isinstance(message, dict) and "data" not in message and isinstance(message.get("id"), str):
        data = [message]  # an entity by itself
    if isinstance(data, dict) and data.get("type") == "FeatureCollection":
        data = data.get("features")
    if not isinstance(data, list):
        yield rejected(name, "notification", "data", "a notification has a list of entities in data", raw)
        return
    notified = message.get("notifiedAt") if isinstance(message, dict) else None
    for at, entity in enumerate(data):
        if at >= spec.max_entities:
            yield rejected(f"{name}#{at}", "records", "", f"more than {spec.max_entities} entities", raw)
            return
        if not isinstance(entity, dict) or not isinstance(entity.get("id"), str) or not entity.get("type"):
            yield rejected(f"{name}#{at}", "entity", "", "an entity has an id and a type", raw)
            continue
        yield Decoded(f"{name}#{at}", _record(entity, notified))


def _record(entity: dict[str, Any], notified: Any) -> dict[str, Any]:
    members = {**entity, **entity["properties"]} if isinstance(entity.get("properties"), dict) else entity
    kind = members["type"]
    record: dict[str, Any] = {"id": entity["id"], "type": _short(kind[0] if isinstance(kind, list) else str(kind)),
                              "attrs": {}, "observed": {}, "units": {}}  # fmt: skip
    if isinstance(notified, str):
        record["notified"] = notified
    for label, attribute in members.items():
        if label in _OUTSIDE or (label in {"properties", "geometry"} and members is not entity):
            continue
        _attribute(_short(label), attribute, record)
    return record


def _attribute(label: str, attribute: Any, record: dict[str, Any]) -> None:
    if isinstance(attribute, list) and attribute and all(isinstance(one, dict) and "type" in one for one in attribute):
        attribute = next((one for one in attribute if "datasetId" not in one), attribute[0])
    record["attrs"][label] = _value(attribute)
    if not isinstance(attribute, dict):
        return
    metadata = attribute.get("metadata")
    observed = attribute.get("observedAt") or _of(metadata, "TimeInstant") or _of(metadata, "observedAt")
    unit = attribute.get("unitCode") or _of(metadata, "unitCode")
    if observed:
        record["observed"][label] = observed
    if unit:
        record["units"][label] = unit


def _value(attribute: Any) -> Any:
    if not isinstance(attribute, dict):
        return attribute
    member = _LD.get(str(attribute.get("type")))
    if member in attribute:
        return attribute[member]
    for known in ("value", "object", "languageMap", "vocab", "json", "valueList", "objectList"):
        if known in attribute:
            return attribute[known]
    return attribute


def _of(metadata: Any, label: str) -> Any:
    found = metadata.get(label) if isinstance(metadata, dict) else None
    return found.get("value") if isinstance(found, dict) else None


def _short(label: str) -> str:
    return _SHORT.split(label)[-1] if "://" in label or label.startswith("urn:") else label
