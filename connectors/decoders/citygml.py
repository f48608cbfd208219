"""CityGML 1.0 to 3.0: one record per city object, read as a stream.

Attributes are the simple elements of the object and its generic attributes; the footprint is that of its ground
surfaces, else its footprint at level of detail 0, else all surfaces seen from above.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.footprint import Solid, footprint
from connectors.decoders.geometry import Numbers, Projection, projection
from connectors.decoders.tree import Node, elements
from connectors.errors import FeedError
from connectors.specs.formats import CityGmlDecoder

__all__ = ["decode_citygml"]

_GENERIC = {"stringAttribute": str, "intAttribute": int, "doubleAttribute": float, "measureAttribute": float,
            "dateAttribute": str, "uriAttribute": str, "StringAttribute": str, "IntAttribute": int,
            "DoubleAttribute": float, "MeasureAttribute": float, "DateAttribute": str, "UriAttribute": str}  # fmt: skip
_SHAPES = ("Polygon", "Triangle", "Rectangle")


def decode_citygml(stream: BinaryIO, name: str, spec: CityGmlDecoder) -> Iterator[Decoded]:
    """Yield a record per city object. The position is `<name>#<number>`, from 0."""
    envelope: str | None = None
    at = 0
    for node in elements(stream, _wanted, spec.max_record, spec.max_depth):
        if node.name == "Envelope":
            envelope = node.attributes.get("srsName")
            continue
        for item in node.children:
            yield _object(item, at, spec.crs or envelope, name)
            at += 1


def _wanted(path: list[str]) -> bool:
    return path[0] == "CityModel" and (
        (len(path) == 2 and path[1] in {"cityObjectMember", "featureMember"})
        or (len(path) == 3 and path[1:] == ["boundedBy", "Envelope"])
    )


def _object(item: Node, at: int, crs: str | None, name: str) -> Decoded:
    position = f"{name}#{at}"
    said = crs or next((one.attributes["srsName"] for one in item.every(*_SHAPES) if "srsName" in one.attributes), None)
    record: dict[str, Any] = {
        "id": item.attributes.get("id") or str(at),
        "type": item.name,
        "properties": _properties(item),
    }
    surfaces = list(item.every(*_SHAPES))
    if not surfaces:
        return Decoded(position, record)
    if said is None:
        raise FeedError(f"{name}: the file does not say its coordinate reference system; set decoder.crs")
    place = projection(said, f"{name}: crs")
    try:
        found = _footprint(item, place)
    except ValueError:
        return rejected(position, "geometry", "geometry", "a position list is no list of coordinates", b"")
    if found is None:
        hint = "the coordinates do not fit the file's reference system; set decoder.crs to the one they are in"
        return rejected(position, "crs", "geometry", hint, b"")
    return Decoded(position, {**record, **found})


def _footprint(item: Node, place: Projection) -> dict[str, Any] | None:
    lying = [shape for ground in item.every("GroundSurface") for shape in ground.every(*_SHAPES)]
    if not lying:
        lying = [shape for low in item.every("lod0FootPrint", "lod0RoofEdge") for shape in low.every(*_SHAPES)]
    every = [_rings(shape) for shape in item.every(*_SHAPES)]
    chosen = [_rings(shape) for shape in lying] or every
    points = [ring for rings in every for ring in rings]
    return footprint([Solid("", chosen, np.concatenate(points) if points else np.empty((0, 3)))], place)


def _rings(shape: Node) -> list[Numbers]:
    outer = [ring for one in shape.children if one.name == "exterior" for ring in one.every("LinearRing")]
    inner = [ring for one in shape.children if one.name == "interior" for ring in one.every("LinearRing")]
    return [_positions(ring) for ring in (*outer, *inner)]


def _positions(ring: Node) -> Numbers:
    listed = ring.child("posList")
    if listed is not None:
        size = int(listed.attributes.get("srsDimension", "3"))
        return np.array(listed.text.split(), dtype=float).reshape(-1, size)[:, [0, 1, 2 if size == 3 else 1]]
    return np.array([one.text.split() for one in ring.children if one.name == "pos"], dtype=float).reshape(-1, 3)


def _properties(item: Node) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in item.children:
        inner = child.children[0] if child.name == "genericAttribute" and child.children else child
        kind = _GENERIC.get(inner.name)
        if kind is not None:
            name = inner.attributes.get("name") or (inner.child("name") or inner).text
            value = inner.child("value")
            if value is not None and value.text:
                found[name] = _typed(value.text, kind)
        elif not child.children and child.text:
            text = child.text
            found[child.name] = _typed(text, float) if "uom" in child.attributes else text
    return found


def _typed(text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text
