"""Query parameters to a query and a projection, names expanded (CIM 009 V1.9.1, 4.21, 5.7.1, 5.7.2, 6.4.3.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from broker.core.entity import LOCATION
from broker.core.errors import BadRequestData
from broker.core.ids import is_name, parse_uri
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_type import parse_type
from broker.core.pattern import pattern
from broker.core.project import EVERYTHING, Projection, parse_languages
from broker.core.query import And, AnyAttr, Compare, Exists, IdIn, IdPattern, Matches, Node, Not, Or, Query
from broker.core.terms import SYSTEM_TIMES
from broker.http import params
from broker.http.negotiate import GEO_JSON, Media
from broker.http.render import Show
from broker.ld.active import Active
from broker.settings import BrokerSettings

__all__ = ["POSTED", "QUERY", "RETRIEVE", "entity_query", "geometry_property", "projection", "show", "too_wide"]

Expand: TypeAlias = Callable[[str], str]

RETRIEVE = frozenset({"attrs", "datasetId", "format", "geometryProperty", "lang", "omit", "options", "pick", "type"})
QUERY = RETRIEVE | {
    "after",
    "coordinates",
    "count",
    "geometry",
    "geoproperty",
    "georel",
    "id",
    "idPattern",
    "limit",
    "offset",
    "q",
    "scopeQ",
}

POSTED = frozenset({"after", "count", "format", "geometryProperty", "limit", "offset", "options"})
"""Parameters of a query that is posted; the rest is in its body (6.23)."""

_MEMBERS = frozenset({"id", "type", "scope"})
_MAX_IDS = 1000
_OR = re.compile(r"[,|]")


def entity_query(
    given: Mapping[str, str], expand: Expand, settings: BrokerSettings, selectors: Node | None = None
) -> Query:
    """Build the query that the parameters describe, of what the selectors select."""
    items: list[Node] = [] if selectors is None else [selectors]
    if "type" in given:
        items.append(parse_type(given["type"], expand))
    if "id" in given:
        ids = params.names(given, "id")
        if len(ids) > _MAX_IDS:
            raise BadRequestData(f"id: {len(ids)} ids; at most {_MAX_IDS} are taken")
        items.append(IdIn(tuple(parse_uri(one, "id") for one in ids)))
    if "idPattern" in given:
        pattern(given["idPattern"])
        items.append(IdPattern(given["idPattern"]))
    if "attrs" in given:
        items.append(AnyAttr(tuple(_attribute(one, "attrs", expand) for one in params.names(given, "attrs"))))
    if "q" in given:
        items.append(parse_q(given["q"], expand))
    if "scopeQ" in given:
        items.append(parse_scope(given["scopeQ"]))
    geo = parse_geo(
        given.get("georel"), given.get("geometry"), given.get("coordinates"), given.get("geoproperty"), expand
    )
    if geo is not None:
        items.append(geo)
    return _paged(given, And(tuple(items)), settings)


def _paged(given: Mapping[str, str], where: Node, settings: BrokerSettings) -> Query:
    count = params.flag(given, "count")
    limit = params.whole(given, "limit", settings.page_default, settings.page_max)
    if limit == 0 and not count:
        raise BadRequestData("limit: 0 is for count=true only (6.3.13)")
    offset = params.whole(given, "offset", 0, settings.offset_max)
    after = given.get("after")
    if after is not None and "offset" in given:
        raise BadRequestData("after: a walk has no offset")
    return Query(where, limit, offset, count, after)


def too_wide(given: Mapping[str, str], where: Node) -> None:
    """Refuse a query without type, georel, local=true, or an attribute, not a system one, in attrs or q (5.7.2.4)."""
    if given.keys() & {"type", "georel"} or params.flag(given, "local") or _names_attribute(where):
        return
    raise BadRequestData(
        "the query is too wide: give at least one of type, georel, local=true, or in attrs or q an attribute "
        "other than createdAt and modifiedAt (5.7.2.4)"
    )


def _names_attribute(node: Node) -> bool:
    if isinstance(node, And | Or):
        return any(_names_attribute(item) for item in node.items)
    if isinstance(node, Not):
        return _names_attribute(node.item)
    if isinstance(node, AnyAttr):
        return any(attr not in SYSTEM_TIMES for attr in node.attrs)
    return isinstance(node, Exists | Compare | Matches) and node.path.attr not in SYSTEM_TIMES


def geometry_property(given: Mapping[str, str], expand: Expand, media: Media) -> str:
    """Give the GeoProperty that is to be the geometry of Features (6.3.15); it is for GeoJSON only (5.7.2.4)."""
    name = given.get("geometryProperty")
    if name is None:
        return LOCATION
    if media != GEO_JSON:
        raise BadRequestData(f"geometryProperty: is for answers in {GEO_JSON} only (5.7.1.4, 5.7.2.4)")
    return _attribute(name, "geometryProperty", expand)


def show(given: Mapping[str, str], active: Active) -> Show:
    """Build how the entities are to be shown."""
    wanted = params.representation(given)
    languages = parse_languages(given["lang"]) if "lang" in given else ()
    return Show(projection(given, active.expand_term), wanted.format, wanted.sys_attrs, languages)


def projection(given: Mapping[str, str], expand: Expand) -> Projection:
    """Build what `pick`, `omit`, `attrs` and `datasetId` leave of each entity."""
    if not given.keys() & {"attrs", "datasetId", "omit", "pick"}:
        return EVERYTHING
    pick = _members(given, "pick", expand)
    omit = _members(given, "omit", expand) or frozenset()
    if pick is not None and pick & omit:
        raise BadRequestData("omit: names a member that pick names as well")
    attrs = frozenset(_attribute(one, "attrs", expand) for one in params.names(given, "attrs"))
    datasets = frozenset(
        "" if one == "@none" else parse_uri(one, "datasetId") for one in params.names(given, "datasetId")
    )
    return Projection(pick, omit, attrs if "attrs" in given else None, datasets if "datasetId" in given else None)


def _members(given: Mapping[str, str], parameter: str, expand: Expand) -> frozenset[str] | None:
    text = given.get(parameter)
    if text is None:
        return None
    if "{" in text:
        raise BadRequestData(f"{parameter}: projects linked entities, which needs the parameter join (5.7.1.4)")
    return frozenset(one if one in _MEMBERS else _attribute(one, parameter, expand) for one in _OR.split(text))


def _attribute(name: str, parameter: str, expand: Expand) -> str:
    if not is_name(name):
        raise BadRequestData(f"{parameter}: {name!r:.80} is no attribute name")
    return expand(name)
