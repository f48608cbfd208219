"""Query parameters to what registrations are asked for (CIM 009 V1.9.1, 5.10.2.4, 6.8.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from broker.core.errors import BadRequestData
from broker.core.ids import is_name, parse_uri
from broker.core.parse_geo import parse_geo
from broker.core.parse_project import parse_projection
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_time import parse_time
from broker.core.parse_type import parse_type
from broker.core.pattern import pattern
from broker.core.query import TRUE, And, Compare, Exists, Linked, Matches, Node, Not, Or
from broker.core.registration import Asked
from broker.core.subscription import Selector
from broker.core.terms import SYSTEM_TIMES
from broker.http import joining, params

__all__ = ["PARAMETERS", "asked"]

Expand = Callable[[str], str]

PARAMETERS: Final = frozenset(
    {
        "attrs",
        "coordinates",
        "count",
        "csf",
        "endTimeAt",
        "geometry",
        "geometryProperty",
        "geoproperty",
        "georel",
        "id",
        "idPattern",
        "lang",
        "limit",
        "offset",
        "omit",
        "options",
        "pick",
        "q",
        "scopeQ",
        "timeAt",
        "timeproperty",
        "timerel",
        "type",
    }
)
_MAX_IDS: Final = 1000


def asked(given: Mapping[str, str], expand: Expand) -> Asked:
    """Build what is asked for.

    Attributes that q, the geoquery or pick name count as those of attrs do (5.10.2.4). `omit` and `geometryProperty`
    are checked and change nothing: an entity stays one whatever is left out of it, and no answer is GeoJSON.
    SPEC 5.10.2.4: ids alone are taken too, though 5.10.2.3 calls such a query too wide; ETSI's own tests ask so.
    """
    geo = None
    if given.keys() & {"georel", "geometry", "coordinates"}:
        geo = parse_geo(
            given.get("georel"), given.get("geometry"), given.get("coordinates"), given.get("geoproperty"), expand
        )
    timeproperty = given.get("timeproperty") if "timerel" in given else None
    temporal = parse_time(given.get("timerel"), given.get("timeAt"), given.get("endTimeAt"), timeproperty)
    attrs = [_attribute(one, "attrs", expand) for one in params.names(given, "attrs")]
    if "q" in given:
        attrs += _attributes(parse_q(given["q"], expand, joins=joining.MAX_LEVEL))
    if geo is not None:
        attrs.append(geo.attr)
    attrs += _picked(given, expand)
    found = Asked(
        _selectors(given, expand),
        tuple(dict.fromkeys(attrs)),
        geo,
        temporal,
        _csf(given["csf"], expand) if "csf" in given else TRUE,
        parse_scope(given["scopeQ"]) if "scopeQ" in given else TRUE,
    )
    if not found.attrs and not given.keys() & {"type", "id", "q"}:
        raise BadRequestData("the query is too wide: give at least one of type, attrs, q and georel (5.10.2.4)")
    return found


def _selectors(given: Mapping[str, str], expand: Expand) -> tuple[Selector, ...]:
    types = parse_type(given["type"], expand) if "type" in given else TRUE
    ids = params.names(given, "id")
    if len(ids) > _MAX_IDS:
        raise BadRequestData(f"id: {len(ids)} ids; at most {_MAX_IDS} are taken")
    for one in ids:
        parse_uri(one, "id")
    if "idPattern" in given:
        pattern(given["idPattern"])
    return (Selector(types, ids, given.get("idPattern")),) if given.keys() & {"type", "id", "idPattern"} else ()


def _picked(given: Mapping[str, str], expand: Expand) -> list[str]:
    """Give the attributes without any of which nothing of an entity would be left (4.21)."""
    trees = {name: parse_projection(given[name], name, expand) for name in ("pick", "omit") if name in given}
    if trees and "attrs" in given:
        raise BadRequestData("attrs: means a pick and a q together and cannot stand beside pick or omit (6.8.3.2)")
    if "geometryProperty" in given:
        _attribute(given["geometryProperty"], "geometryProperty", expand)
    names = trees.get("pick", {})
    return [] if names.keys() & {"id", "type", "scope"} else list(names)


def _csf(text: str, expand: Expand) -> Node:
    try:
        found = parse_q(text, expand, joins=0)
    except BadRequestData as error:
        raise BadRequestData(f"csf: {error.detail.removeprefix('q: ')}") from error
    if any(name in SYSTEM_TIMES for name in _names(found)):
        raise BadRequestData("csf: createdAt and modifiedAt are no properties of a context source (5.2.9)")
    return found


def _attributes(node: Node) -> Iterator[str]:
    return (name for name in _names(node) if name not in SYSTEM_TIMES)


def _names(node: Node) -> Iterator[str]:
    match node:
        case And(items=items) | Or(items=items):
            for item in items:
                yield from _names(item)
        case Not(item=item):
            yield from _names(item)
        case Exists(path=path) | Compare(path=path) | Matches(path=path):
            yield path.attr
        case Linked(attr=attr):
            yield attr


def _attribute(name: str, parameter: str, expand: Expand) -> str:
    if not is_name(name):
        raise BadRequestData(f"{parameter}: {name!r:.80} is no attribute name")
    return expand(name)
