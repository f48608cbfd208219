"""Query parameters to a query and a projection, names expanded (CIM 009 V1.9.1, 4.21, 5.7.1, 5.7.2, 6.4.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from broker.core.entity import LOCATION
from broker.core.errors import BadRequestData
from broker.core.ids import is_name, parse_uri
from broker.core.parse_geo import parse_geo
from broker.core.parse_project import depth, parse_projection, projected
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_type import parse_type
from broker.core.pattern import pattern
from broker.core.project import EVERYTHING, Projection, parse_languages
from broker.core.query import (
    And,
    AnyAttr,
    Compare,
    Exists,
    IdIn,
    IdPattern,
    Linked,
    Matches,
    Node,
    Not,
    Or,
    Query,
    ScopeIs,
)
from broker.core.terms import SYSTEM_TIMES
from broker.core.versions import Version
from broker.http import joining, params
from broker.http.negotiate import GEO_JSON, Media
from broker.http.render import Show
from broker.ld.active import Active
from broker.settings import BrokerSettings

__all__ = ["POSTED", "QUERY", "RETRIEVE", "entity_query", "geometry_property", "projection", "show", "too_wide"]

Expand: TypeAlias = Callable[[str], str]

RETRIEVE = frozenset(
    {
        "attrs",
        "containedBy",
        "datasetId",
        "format",
        "geometryProperty",
        "join",
        "joinLevel",
        "lang",
        "omit",
        "options",
        "pick",
        "type",
    }
)
QUERY = RETRIEVE | {
    "after",
    "collation",
    "coordinates",
    "count",
    "csf",
    "expandValues",
    "geometry",
    "geoproperty",
    "georel",
    "id",
    "idPattern",
    "jsonKeys",
    "limit",
    "offset",
    "orderBy",
    "orderFrom",
    "orderGeometry",
    "q",
    "scopeQ",
    "splitEntities",
}

POSTED = frozenset({"after", "count", "format", "geometryProperty", "limit", "offset", "options"})
"""Parameters of a query that is posted; the rest is in its body (6.23)."""

_MAX_IDS = 1000
_ANY_SCOPE = ScopeIs("/#")


def entity_query(
    given: Mapping[str, str], expand: Expand, settings: BrokerSettings, selectors: Node | None = None
) -> Query:
    """Build the query that the parameters describe, of what the selectors select.

    `csf` and `splitEntities` are checked and, as the broker has no context sources to apply them to, change nothing.
    """
    items: list[Node] = [] if selectors is None else [selectors]
    json_keys = frozenset(_attribute(one, "jsonKeys", expand) for one in params.names(given, "jsonKeys"))
    coerced = frozenset(_attribute(one, "expandValues", expand) for one in params.names(given, "expandValues"))
    if "type" in given:
        if given["type"] == "*" and given.get("local") == "false":
            raise BadRequestData("type: * needs the local scope; leave local=false out (6.4.3.2)")
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
        levels = joining.join_level(joining.join(given, settings))
        items.append(parse_q(given["q"], expand, json_keys=json_keys, expand_values=coerced, joins=levels))
    if "csf" in given:
        _check_csf(given["csf"], expand)
    params.flag(given, "splitEntities")
    if "scopeQ" in given:
        items.append(parse_scope(given["scopeQ"]))
    geo = parse_geo(
        given.get("georel"), given.get("geometry"), given.get("coordinates"), given.get("geoproperty"), expand
    )
    if geo is not None:
        items.append(geo)
    if "pick" in given:
        items += _picked(projection(given, expand))
    order, collation = joining.ordering(given, expand, json_keys)
    return replace(_paged(given, And(tuple(items)), settings), order=order, collation=collation)


def _check_csf(text: str, expand: Expand) -> None:
    try:
        parse_q(text, expand)
    except BadRequestData as error:
        raise BadRequestData(f"csf: {error.detail.removeprefix('q: ')}") from error


def _picked(wanted: Projection) -> list[Node]:
    """Select what `pick` leaves something of: an entity without any member is not shown (4.21)."""
    pick = wanted.pick
    if pick is None or pick & {"id", "type"}:
        return []
    attrs = tuple(sorted(pick - {"scope"}))
    found: tuple[Node, ...] = (AnyAttr(attrs),) if attrs else ()
    if "scope" in pick:
        found = (*found, _ANY_SCOPE)
    return [found[0] if len(found) == 1 else Or(found)]


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
    if isinstance(node, Linked):
        return True
    return isinstance(node, Exists | Compare | Matches) and node.path.attr not in SYSTEM_TIMES


def geometry_property(given: Mapping[str, str], expand: Expand, media: Media) -> str:
    """Give the GeoProperty that is to be the geometry of Features (6.3.15); it is for GeoJSON only (5.7.2.4)."""
    name = given.get("geometryProperty")
    if name is None:
        return LOCATION
    if media != GEO_JSON:
        raise BadRequestData(f"geometryProperty: is for answers in {GEO_JSON} only (5.7.1.4, 5.7.2.4)")
    return _attribute(name, "geometryProperty", expand)


def show(given: Mapping[str, str], active: Active, version: Version | None = None) -> Show:
    """Build how the entities are to be shown; `version`: as that version of the specification has them."""
    wanted = params.representation(given)
    languages = parse_languages(given["lang"]) if "lang" in given else ()
    return Show(projection(given, active.expand_term), wanted.format, wanted.sys_attrs, languages, version)


def projection(given: Mapping[str, str], expand: Expand) -> Projection:
    """Build what `pick`, `omit`, `attrs` and `datasetId` leave of each entity."""
    if not given.keys() & {"attrs", "datasetId", "omit", "pick"}:
        return EVERYTHING
    if "attrs" in given and given.keys() & {"pick", "omit"}:
        raise BadRequestData("attrs: means a pick and a q together and cannot stand beside pick or omit (6.4.3.2)")
    pick = parse_projection(given["pick"], "pick", expand) if "pick" in given else None
    omit = parse_projection(given["omit"], "omit", expand) if "omit" in given else None
    links = max(depth(pick), depth(omit))
    if links and links > _levels(given):
        raise BadRequestData(
            f"pick, omit: project over {links} link(s), which needs the parameter join and a joinLevel of {links} or "
            "more (5.7.1.4, 5.7.2.4)"
        )
    found = projected(pick, omit)
    attrs = frozenset(_attribute(one, "attrs", expand) for one in params.names(given, "attrs"))
    datasets = frozenset(
        "" if one == "@none" else parse_uri(one, "datasetId") for one in params.names(given, "datasetId")
    )
    return replace(
        found, attrs=attrs if "attrs" in given else None, datasets=datasets if "datasetId" in given else None
    )


def _levels(given: Mapping[str, str]) -> int:
    if given.get("join", "@none") == "@none":
        return 0
    return params.whole(given, "joinLevel", 1, joining.MAX_LEVEL)


def _attribute(name: str, parameter: str, expand: Expand) -> str:
    if not is_name(name):
        raise BadRequestData(f"{parameter}: {name!r:.80} is no attribute name")
    return expand(name)
