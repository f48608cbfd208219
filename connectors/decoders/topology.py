"""TopoJSON: a topology's shared arcs put together to GeoJSON features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.decoders.unpack import Damaged

__all__ = ["features"]

Positions = list[list[float]]


def features(topology: dict[str, Any], wanted: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (object/number, feature) of one or all objects of a topology."""
    try:
        arcs = _arcs(topology)
        objects: dict[str, Any] = topology["objects"]
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("topojson", "the topology has no arcs and objects as TopoJSON has them") from error
    if wanted is not None and wanted not in objects:
        raise Damaged("topojson", f"there is no object {wanted!r} in the topology; set decoder.object")
    for name, found in objects.items():
        if wanted is not None and name != wanted:
            continue
        single = found.get("type") != "GeometryCollection"
        for at, item in enumerate([found] if single else found.get("geometries", [])):
            yield f"{name}/{at}", _feature(name, item, arcs, topology.get("transform"))


def _arcs(topology: dict[str, Any]) -> list[Positions]:
    transform = topology.get("transform")
    if transform is None:
        return [[list(position[:2]) for position in arc] for arc in topology["arcs"]]
    found = []
    for arc in topology["arcs"]:
        x = y = 0
        line = []
        for dx, dy, *_ in arc:
            x, y = x + dx, y + dy
            line.append(_placed([x, y], transform))
        found.append(line)
    return found


def _placed(position: list[float], transform: dict[str, Any] | None) -> list[float]:
    if transform is None:
        return list(position[:2])
    (sx, sy), (tx, ty) = transform["scale"], transform["translate"]
    return [position[0] * sx + tx, position[1] * sy + ty]


def _feature(
    name: str, item: dict[str, Any], arcs: list[Positions], transform: dict[str, Any] | None
) -> dict[str, Any]:
    feature: dict[str, Any] = {"type": "Feature", "properties": {"object": name, **(item.get("properties") or {})}}
    if item.get("id") is not None:
        feature["id"] = item["id"]
    kind = item.get("type")
    try:
        if kind in {"Point", "MultiPoint"}:
            given = item["coordinates"]
            placed: Any = _placed(given, transform) if kind == "Point" else [_placed(one, transform) for one in given]
        elif kind in {"LineString", "MultiLineString", "Polygon", "MultiPolygon"}:
            placed = _with_area(kind, _joined(item["arcs"], arcs))
        else:
            placed = None
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Damaged("topojson", "a geometry names an arc that the topology does not have") from error
    feature["geometry"] = None if placed is None else {"type": kind, "coordinates": placed}
    return feature


def _with_area(kind: str, placed: Any) -> Any:
    """Leave out what simplification has collapsed: holes and parts of fewer than four positions."""
    if kind == "Polygon":
        return placed if not placed or len(placed[0]) < 4 else [ring for ring in placed if len(ring) >= 4]
    if kind == "MultiPolygon":
        return [_with_area("Polygon", part) for part in placed if part and len(part[0]) >= 4]
    return placed


def _joined(found: Any, arcs: list[Positions]) -> Any:
    """Join arc numbers at the lowest level to one line; ~n is arc n backwards."""
    if found and isinstance(found[0], list):
        return [_joined(one, arcs) for one in found]
    line: Positions = []
    for number in found:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        line.extend(arc[1:] if line else arc)
    return line
