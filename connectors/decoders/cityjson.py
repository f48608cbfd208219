"""CityJSON 1.0 to 2.0, documents and sequences (CityJSONSeq): one record per city object.

Of the geometry a record has what a map needs: the footprint (its ground surfaces, else all surfaces seen from above)
in longitude and latitude, and the lowest and highest height in the file's own vertical system.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import orjson

from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.footprint import Solid, footprint
from connectors.decoders.geojson import lines
from connectors.decoders.geometry import Numbers, Projection, projection
from connectors.decoders.unpack import Damaged
from connectors.errors import FeedError
from connectors.specs.formats import CityJsonDecoder

__all__ = ["decode_cityjson"]

_BROKEN = (KeyError, IndexError, TypeError, ValueError, AttributeError)
_HEAD = 65_536


def decode_cityjson(stream: BinaryIO, name: str, spec: CityJsonDecoder) -> Iterator[Decoded]:
    """Yield a record per city object. The position is `<name>#<number>`, from 0; in a sequence `<name>:<line>#<n>`."""
    head = stream.read(_HEAD)
    first, _, rest = head.partition(b"\n")
    if rest.lstrip().startswith(b'{"') and _is_json(first):
        yield from _sequence(lines(head, stream, spec.max_record), name, spec)
        return
    raw = head + stream.read(spec.max_bytes + 1 - len(head))
    if len(raw) > spec.max_bytes:
        raise Damaged("length", f"the file is larger than decoder.max_bytes {spec.max_bytes}; send it as CityJSONSeq")
    document = _document(raw)
    yield from _objects(document, _Frame(document, name, spec), name)


class _Frame:
    """What the objects of a document share: coordinates, reference system, templates."""

    def __init__(self, document: dict[str, Any], name: str, spec: CityJsonDecoder) -> None:
        transform = document.get("transform") or {}
        self.scale = np.array(transform.get("scale", (1, 1, 1)), dtype=float)
        self.translate = np.array(transform.get("translate", (0, 0, 0)), dtype=float)
        said = spec.crs or (document.get("metadata") or {}).get("referenceSystem")
        if not said:
            raise FeedError(f"{name}: the file does not say its coordinate reference system; set decoder.crs")
        self.place: Projection = projection(str(said), f"{name}: crs")
        self.templates = document.get("geometry-templates") or {}

    def vertices(self, document: dict[str, Any]) -> Numbers:
        found = np.array(document["vertices"], dtype=float).reshape(-1, 3)
        placed: Numbers = found * self.scale + self.translate
        return placed


def _sequence(found: Iterator[bytes], name: str, spec: CityJsonDecoder) -> Iterator[Decoded]:
    frame = _Frame(_document(next(found)), name, spec)
    for at, line in enumerate(found, 2):
        try:
            feature = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield rejected(f"{name}:{at}", "json", "", "the line is no JSON", line)
            continue
        if not isinstance(feature, dict) or feature.get("type") != "CityJSONFeature":
            yield rejected(f"{name}:{at}", "cityjson", "", "the line is no CityJSONFeature", line)
            continue
        yield from _objects(feature, frame, f"{name}:{at}")


def _objects(document: dict[str, Any], frame: _Frame, name: str) -> Iterator[Decoded]:
    objects = document.get("CityObjects")
    if not isinstance(objects, dict):
        raise Damaged("cityjson", "the document has no CityObjects; is it CityJSON?")
    try:
        vertices = frame.vertices(document)
    except _BROKEN as error:
        raise Damaged("cityjson", "the vertices are no triples of numbers") from error
    for at, (key, item) in enumerate(objects.items()):
        try:
            yield _object(key, item, objects, vertices, frame, f"{name}#{at}")
        except _BROKEN:
            yield rejected(f"{name}#{at}", "geometry", "geometry", "the geometry names vertices that do not exist", b"")


def _object(
    key: str, item: dict[str, Any], objects: dict[str, Any], vertices: Numbers, frame: _Frame, position: str
) -> Decoded:
    record: dict[str, Any] = {"id": key, "type": item["type"], "properties": item.get("attributes") or {}}
    for name in ("parents", "children"):
        if item.get(name):
            record[name] = list(item[name])
    own = [item] if item.get("geometry") else [objects[child] for child in item.get("children", ()) if child in objects]
    solids = [solid for one in own if (solid := _solid(one.get("geometry") or [], vertices, frame)) is not None]
    if solids:
        record["lod"] = solids[0].lod
        found = footprint(solids, frame.place)
        if found is None:
            hint = "the coordinates do not fit the file's reference system; set decoder.crs to the one they are in"
            return rejected(position, "crs", "geometry", hint, b"")
        record.update(found)
    return Decoded(position, record)


def _solid(geometries: Sequence[dict[str, Any]], vertices: Numbers, frame: _Frame) -> Solid | None:
    """Take the most detailed geometry of an object."""
    if not geometries:
        return None
    best = max(geometries, key=lambda one: str(one.get("lod", "")))
    if best["type"] == "GeometryInstance":
        template = frame.templates["templates"][best["template"]]
        corners = np.array(frame.templates["vertices-templates"], dtype=float)
        matrix = np.array(best["transformationMatrix"], dtype=float).reshape(4, 4)
        turned = np.column_stack((corners, np.ones(len(corners)))) @ matrix.T
        vertices = turned[:, :3] / turned[:, 3:] + vertices[best["boundaries"][0]]
        return _surfaces(template, vertices)
    return _surfaces(best, vertices)


def _surfaces(geometry: dict[str, Any], vertices: Numbers) -> Solid:
    kind = geometry["type"]
    boundaries, semantics = geometry["boundaries"], geometry.get("semantics") or {}
    values = semantics.get("values")
    if kind in {"MultiSolid", "CompositeSolid"}:
        boundaries = [shell for solid in boundaries for shell in solid]
        values = [shell for solid in values or () for shell in solid or ()]
    if kind in {"Solid", "MultiSolid", "CompositeSolid"}:
        boundaries = [surface for shell in boundaries for surface in shell]
        values = [value for shell in values or () for value in shell or ()]
    lod = str(geometry.get("lod", ""))
    if kind in {"MultiPoint", "MultiLineString"}:
        points = boundaries if kind == "MultiPoint" else [point for line in boundaries for point in line]
        return Solid(lod, [], vertices[points])
    ground = {at for at, one in enumerate(semantics.get("surfaces") or ()) if one.get("type") == "GroundSurface"}
    lying = [surface for surface, value in zip(boundaries, values or (), strict=False) if value in ground]
    rings = [[vertices[ring] for ring in surface] for surface in lying or boundaries]
    used = sorted({point for surface in boundaries for ring in surface for point in ring})
    return Solid(lod, rings, vertices[used])


def _document(raw: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Damaged("json", "the document is no JSON, is cut off, not UTF-8, or nested too deep") from error
    if not isinstance(document, dict) or document.get("type") != "CityJSON":
        raise Damaged("cityjson", "the document is no CityJSON; another decoder.kind?")
    return document


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
