"""The geoquery language (CIM 009 V1.9.1, 4.10): its four parameters to a GeoRel."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, cast

from broker.core.entity import LOCATION
from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.query import GeoRel, GeoRelation

__all__ = ["MAX_POSITIONS", "parse_geo", "parse_origin"]

MAX_POSITIONS: Final = 5000
_MAX_LENGTH: Final = 400_000
_RELATIONS: Final = ("within", "contains", "intersects", "equals", "disjoint", "overlaps")
_NEAR = re.compile(r"near;(maxDistance|minDistance)==((?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_NESTING: Final = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


def parse_geo(
    georel: str | None,
    geometry: str | None,
    coordinates: object,
    geoproperty: str | None,
    expand: Callable[[str], str],
) -> GeoRel | None:
    """Parse a geoquery; `coordinates` is JSON text or an array. None if none of the first three is there.

    Raises BadRequestData naming the parameter; a missing one of georel, geometry, coordinates is an error as well.
    """
    if georel is None and geometry is None and coordinates is None and geoproperty is None:
        return None
    for name, value in (("georel", georel), ("geometry", geometry), ("coordinates", coordinates)):
        if value is None:
            raise BadRequestData(f"{name}: missing; a geoquery needs georel, geometry and coordinates")
    relation, max_m, min_m = _relation(cast(str, georel))
    shape = parse_origin(cast(str, geometry), coordinates, "coordinates")
    attr = LOCATION if geoproperty is None else _geoproperty(geoproperty, expand)
    return GeoRel(attr, relation, shape, max_m, min_m)


def parse_origin(geometry: str, coordinates: object, parameter: str) -> str:
    """Return a geometry as GeoJSON text from its type and its coordinates (JSON text or an array).

    Raises BadRequestData naming the parameter that the coordinates come from.
    """
    shape = {"type": geometry, "coordinates": _coordinates(geometry, coordinates, parameter)}
    return json.dumps(shape, separators=(",", ":"))


def _geoproperty(name: str, expand: Callable[[str], str]) -> str:
    if not name or name != name.strip():
        raise BadRequestData("geoproperty: expected the name of a GeoProperty")
    return expand(name)


def _relation(georel: str) -> tuple[GeoRelation, float | None, float | None]:
    if georel in _RELATIONS:
        return cast(GeoRelation, georel), None, None
    near = _NEAR.fullmatch(georel)
    if near is None:
        raise BadRequestData(
            f"georel: expected near;maxDistance==METRES, near;minDistance==METRES or one of {', '.join(_RELATIONS)}, "
            f"found {georel!r:.80}"
        )
    metres = float(near[2])
    if metres <= 0 or math.isinf(metres):
        raise BadRequestData(f"georel: {near[1]} must be a number of metres above 0")
    return ("near", metres, None) if near[1] == "maxDistance" else ("near", None, metres)


def _coordinates(geometry: str, given: object, parameter: str) -> object:
    if geometry not in _NESTING:
        raise BadRequestData(f"geometry: expected one of {', '.join(_NESTING)}, found {geometry!r:.60}")
    found = given
    if isinstance(given, str):
        if len(given) > _MAX_LENGTH:
            raise TooComplexQuery(f"{parameter}: {len(given)} characters; {_MAX_LENGTH} are allowed")
        try:
            found = json.loads(given, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise BadRequestData(f"{parameter}: not a JSON array of numbers: {error}") from error
    if _check(geometry, found, _NESTING[geometry], parameter) > MAX_POSITIONS:
        raise TooComplexQuery(f"{parameter}: more than {MAX_POSITIONS} positions")
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _check(geometry: str, found: Any, nesting: int, where: str) -> int:
    """Check the coordinates as RFC 7946, 3.1.1 has them; return the number of positions."""
    if not isinstance(found, list):
        raise BadRequestData(f"{where}: expected an array for {geometry}")
    if nesting == 0:
        return _check_position(found, where)
    if nesting == 1 and geometry.endswith("LineString") and len(found) < 2:
        raise BadRequestData(f"{where}: a line needs at least 2 positions")
    if nesting == 1 and geometry.endswith("Polygon") and (len(found) < 4 or found[0] != found[-1]):
        raise BadRequestData(f"{where}: a polygon's ring needs at least 4 positions, the last equal to the first")
    if not found:
        raise BadRequestData(f"{where}: is empty")
    return sum(_check(geometry, item, nesting - 1, f"{where}[{index}]") for index, item in enumerate(found))


def _check_position(found: list[Any], where: str) -> int:
    numbers = [one for one in found if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != len(found) or len(found) not in (2, 3):
        raise BadRequestData(f"{where}: expected [longitude, latitude] in degrees")
    lon, lat = numbers[:2]
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise BadRequestData(f"{where}: longitude must be within -180..180 and latitude within -90..90")
    return 1
