"""GeoJSON and TopoJSON: one record per feature, geometry in longitude and latitude.

A collection that is not too large is taken whole, so that a damaged one gives nothing at all; a larger one is read in
pieces. One feature per line (GeoJSON text sequences) is recognised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import orjson
import shapely

from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.geometry import WGS84, Projection, geojson, projection
from connectors.decoders.split import items
from connectors.decoders.topology import features
from connectors.decoders.unpack import Damaged
from connectors.geojson import is_geometry, within_degrees
from connectors.specs.formats import GeoJsonDecoder, TopoJsonDecoder

__all__ = ["decode_geojson", "decode_topojson", "lines"]

_WHOLE = 32_000_000
_FIRST = 65_536


def decode_geojson(stream: BinaryIO, name: str, spec: GeoJsonDecoder) -> Iterator[Decoded]:
    """Yield a record per feature. The position is `<name>#<n>`, from 0."""
    head = stream.read(_WHOLE)
    rest = stream.read(1)
    if _sequence(head):
        place = projection(spec.crs or WGS84, "decoder.crs")
        for at, line in enumerate(lines(head + rest, stream, spec.max_record)):
            yield _line(line, place, f"{name}#{at}")
    elif rest:
        place = projection(spec.crs or _said(head[:_FIRST]) or WGS84, f"{name}: crs")
        for at, item in enumerate(items(stream, ("features",), spec.max_record, head + rest)):
            yield _line(item, place, f"{name}#{at}")
    else:
        yield from _whole(head, name, spec)


def decode_topojson(stream: BinaryIO, name: str, spec: TopoJsonDecoder) -> Iterator[Decoded]:
    """Yield a record per geometry of the topology's objects. The position is `<name>#<object>/<n>`."""
    raw = stream.read(spec.max_bytes + 1)
    if len(raw) > spec.max_bytes:
        raise Damaged("length", f"the file is larger than decoder.max_bytes {spec.max_bytes}")
    document = _json(raw)
    if document.get("type") != "Topology":
        raise Damaged("topojson", "the document is no TopoJSON topology; another decoder.kind?")
    place = projection(spec.crs or WGS84, "decoder.crs")
    for where, feature in features(document, spec.object):
        yield _feature(feature, place, f"{name}#{where}", b"")


def _whole(raw: bytes, name: str, spec: GeoJsonDecoder) -> Iterator[Decoded]:
    document = _json(raw)
    place = projection(spec.crs or _named(document) or WGS84, f"{name}: crs")
    kind = document.get("type")
    if kind == "Feature":
        yield _feature(document, place, f"{name}#0", raw)
        return
    found = document.get("features")
    if kind != "FeatureCollection" or not isinstance(found, list):
        hint = (
            "it is a TopoJSON topology; set decoder.kind: topojson" if kind == "Topology" else "another decoder.kind?"
        )
        raise Damaged("geojson", f"the document is no GeoJSON FeatureCollection; {hint}")
    for at, feature in enumerate(found):
        yield _feature(feature, place, f"{name}#{at}", b"")


def _json(raw: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Damaged("json", "the document is no JSON, is cut off, not UTF-8, or nested too deep") from error
    if not isinstance(document, dict):
        raise Damaged("json", "the document is no JSON object")
    return document


def _line(raw: bytes, place: Projection, position: str) -> Decoded:
    try:
        feature = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return rejected(position, "json", "", "the feature is no JSON", raw)
    return _feature(feature, place, position, raw)


def _feature(feature: Any, place: Projection, position: str, raw: bytes) -> Decoded:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        return rejected(position, "feature", "", "a record is a GeoJSON Feature", raw)
    record: dict[str, Any] = {"properties": feature.get("properties") or {}}
    if feature.get("id") is not None:
        record["id"] = feature["id"]
    shape = feature.get("geometry")
    if shape is None:
        return Decoded(position, record)
    if not is_geometry(shape):
        return rejected(position, "geometry", "geometry", "the geometry is no GeoJSON geometry of numbers", raw)
    found: dict[str, Any] | None = {"type": shape["type"], "coordinates": shape["coordinates"]}
    if place.needed:
        try:
            found = geojson(place.shapes(np.array([shapely.from_geojson(orjson.dumps(shape))]))[0])
        except shapely.errors.GEOSException:
            return rejected(position, "geometry", "geometry", "the geometry is not closed or too short", raw)
    if found is not None and not within_degrees(found):
        hint = "the coordinates are no longitude and latitude; set decoder.crs to the reference system of the file"
        return rejected(position, "crs", "geometry", hint, raw)
    record["geometry"] = found
    return Decoded(position, record)


def _named(document: dict[str, Any]) -> str | None:
    """Read the member `crs` that GeoJSON had before RFC 7946."""
    member = document.get("crs")
    name = member.get("properties", {}).get("name") if isinstance(member, dict) else None
    if not isinstance(name, str):
        return None
    return WGS84 if name.upper().endswith("CRS84") else "EPSG:" + name.rsplit(":", 1)[-1]  # axes are x, y in GeoJSON


def _said(head: bytes) -> str | None:
    """Read the member `crs` at the head of a large document."""
    at = head.find(b'"crs"')
    begin = head.find(b"{", at)
    if at < 0 or begin < 0:
        return None
    depth = 0
    for end, sign in enumerate(head[begin:], begin):
        depth += (sign == 123) - (sign == 125)
        if not depth:
            return _named({"crs": _json(head[begin : end + 1])})
    return None


def _sequence(head: bytes) -> bool:
    """Whether there is one feature per line: the first line is a whole object and another one follows."""
    first, _, rest = head.lstrip(b"\x1e \t\r\n").partition(b"\n")
    if not rest.strip(b"\x1e \t\r\n").startswith(b"{"):
        return False
    try:
        return isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


def lines(head: bytes, stream: BinaryIO, most: int) -> Iterator[bytes]:
    """Yield the lines of a text sequence that are not empty, `head` being what was read before."""
    buffer = head
    while True:
        *whole, buffer = buffer.split(b"\n")
        for line in whole:
            if stripped := line.strip(b"\x1e \t\r"):
                yield stripped
        if len(buffer) > most:
            raise Damaged("length", f"a line is longer than {most} bytes; raise decoder.max_record?")
        block = stream.read(_FIRST * 4)
        if not block:
            break
        buffer += block
    if stripped := buffer.strip(b"\x1e \t\r"):
        yield stripped
