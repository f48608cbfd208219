"""The body of POST /entityOperations/query (CIM 009 V1.9.1, 5.2.23, 6.23) as the parameters of GET /entities.

So that both mean the same: what the two share goes on as the text that the URL would have had, and the entity
selectors, which the URL cannot say, as one condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import orjson

from broker.core.errors import BadRequestData, OperationNotSupported
from broker.core.ids import parse_entity_id
from broker.core.parse_type import parse_type
from broker.core.pattern import pattern
from broker.core.query import TRUE, And, IdIn, IdPattern, Node, Or

__all__ = ["read"]

Expand: TypeAlias = Callable[[str], str]

_MOST: Final = 1000
_LATER: Final = frozenset({"entityMap", "entityMapLifetime"})
"""Members of the standard that this broker does not have."""

_TEMPORAL: Final = ("aggrParams", "temporalQ")
_TEXTS: Final = ("q", "scopeQ", "lang", "geometryProperty", "csf", "expandValues", "jsonKeys", "join")
_LISTS: Final = ("attrs", "pick", "omit", "datasetId", "containedBy")
_ORDERING: Final = ("orderBy", "coordinates", "geometry", "collation")
_GEO: Final = ("georel", "geometry", "coordinates", "geoproperty")
_SELECTOR: Final = ("type", "id", "idPattern")


def read(body: Any, expand: Expand) -> tuple[dict[str, str], Node | None]:
    """Read a Query: the parameters it amounts to, and the condition of its entity selectors if it has any."""
    if not isinstance(body, dict):
        raise BadRequestData("the body: a Query is a JSON object (5.2.23)")
    if body.get("type") != "Query":
        raise BadRequestData('type: must be "Query" (5.2.23)')
    found: dict[str, str] = {}
    selectors: Node | None = None
    for member, value in body.items():
        if member in _TEXTS:
            found[member] = _text(value, member)
        elif member in _LISTS:
            found[member] = ",".join(_text(one, f"{member}[{at}]") for at, one in enumerate(_array(value, member)))
        elif member == "geoQ":
            found.update(_geo(value))
        elif member == "ordering":
            found.update(_ordering(value))
        elif member == "joinLevel":
            found[member] = _level(value)
        elif member == "splitEntities":
            found[member] = _flag(value, member)
        elif member == "entities":
            items = tuple(_selector(one, f"entities[{at}]", expand) for at, one in enumerate(_array(value, member)))
            selectors = items[0] if len(items) == 1 else Or(items)
        elif member not in ("type", "@context"):
            _refuse(member, value)
    return found, selectors


def _refuse(member: str, value: Any) -> None:
    if member in _TEMPORAL:
        raise BadRequestData(f"{member}: is for queries of the temporal evolution only (5.2.23)")
    if member not in _LATER:
        raise BadRequestData(f"{member:.80}: a Query has no such member (5.2.23)")
    if value is not False:
        raise OperationNotSupported(f"{member}: this broker does not have this member of the standard")


def _geo(value: Any) -> dict[str, str]:
    """Read a GeoQuery (5.2.13)."""
    given = _object(value, "geoQ", _GEO)
    found = {name: _text(given[name], f"geoQ.{name}") for name in _GEO if name in given and name != "coordinates"}
    if "coordinates" in given:
        coordinates = given["coordinates"]
        found["coordinates"] = coordinates if isinstance(coordinates, str) else orjson.dumps(coordinates).decode()
    return found


def _ordering(value: Any) -> dict[str, str]:
    """Read OrderingParams (5.2.43)."""
    given = _object(value, "ordering", _ORDERING)
    found: dict[str, str] = {}
    if "orderBy" in given:
        terms = _array(given["orderBy"], "ordering.orderBy")
        found["orderBy"] = ",".join(_text(one, f"ordering.orderBy[{at}]") for at, one in enumerate(terms))
    if "coordinates" in given:
        if not isinstance(given["coordinates"], list):
            raise BadRequestData("ordering.coordinates: must be an array")
        found["orderFrom"] = orjson.dumps(given["coordinates"]).decode()
    if "geometry" in given:
        found["orderGeometry"] = _text(given["geometry"], "ordering.geometry")
    if "collation" in given:
        found["collation"] = _text(given["collation"], "ordering.collation")
    return found


def _level(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequestData("joinLevel: must be a positive whole number")
    return str(value)


def _flag(value: Any, member: str) -> str:
    if not isinstance(value, bool):
        raise BadRequestData(f"{member}: must be true or false")
    return "true" if value else "false"


def _selector(value: Any, where: str, expand: Expand) -> Node:
    """Read an EntitySelector (5.2.33); id takes precedence over idPattern."""
    given = _object(value, where, _SELECTOR)
    if "type" not in given:
        raise BadRequestData(f"{where}.type: missing")
    items: list[Node] = [parse_type(_text(given["type"], f"{where}.type"), expand)]
    expression = _text(given["idPattern"], f"{where}.idPattern") if "idPattern" in given else None
    if expression is not None:
        pattern(expression)
    if "id" in given:
        ids = given["id"] if isinstance(given["id"], list) else [given["id"]]
        items.append(IdIn(tuple(parse_entity_id(one, f"{where}.id") for one in _array(ids, f"{where}.id"))))
    elif expression is not None:
        items.append(IdPattern(expression))
    kept = tuple(item for item in items if item != TRUE)
    return kept[0] if len(kept) == 1 else And(kept)


def _object(value: Any, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestData(f"{where}: must be a JSON object")
    unknown = next((name for name in value if name not in known), None)
    if unknown is not None:
        raise BadRequestData(f"{where}.{unknown:.80}: no such member; there are {', '.join(known)}")
    return value


def _array(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST:
        raise BadRequestData(f"{where}: must be an array of 1 to {_MOST} items")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequestData(f"{where}: must be a string, not empty")
    if "\0" in value:
        raise BadRequestData(f"{where}: holds the character U+0000")
    return value
