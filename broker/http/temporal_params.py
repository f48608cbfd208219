"""Parameters of temporal requests and of Query bodies (CIM 009 V1.9.1, 4.11, 5.2.21, 5.2.23, 6.3.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from broker.core.access import ALL, AttrSet
from broker.core.entity import ENTITY_MEMBERS
from broker.core.errors import BadRequestData, InvalidRequest, OperationNotSupported
from broker.core.ids import parse_uri
from broker.core.parse_geo import parse_geo
from broker.core.parse_order import parse_collation
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_time import TIME_PROPERTIES, TimeProperty, parse_time
from broker.core.parse_type import parse_type
from broker.core.pattern import pattern
from broker.core.periods import WHOLE, Period, parse_period
from broker.core.project import Projection, parse_languages
from broker.core.query import And, IdIn, IdPattern, Node, Or
from broker.core.temporal import METHODS, Form, Presentation, Range
from broker.core.terms import SYSTEM_TIMES
from broker.http import params
from broker.http.querying import Expand, projection
from broker.ld.active import Active
from broker.ops.temporal import Asked
from broker.settings import BrokerSettings

__all__ = ["QUERY", "QUERY_BODY_URL", "RETRIEVE", "aggregated", "asked", "from_body", "too_wide"]

_SHOWN: Final = frozenset({"attrs", "datasetId", "format", "lang", "omit", "options", "pick"})
_TIME: Final = frozenset(
    {"aggrMethods", "aggrPeriodDuration", "endTimeAt", "lastN", "timeAt", "timeproperty", "timerel"}
)
RETRIEVE: Final = _SHOWN | _TIME
_GEO: Final = frozenset({"coordinates", "geometry", "geoproperty", "georel"})
_PAGED: Final = frozenset({"count", "limit", "offset"})
QUERY: Final = (
    RETRIEVE
    | _GEO
    | _PAGED
    | {"collation", "csf", "expandValues", "id", "idPattern", "jsonKeys", "orderBy", "q", "scopeQ"}
    | {"splitEntities", "type"}
)
QUERY_BODY_URL: Final = _PAGED | {"format", "options"}

_FORMS: Final[Mapping[str, Form]] = {
    "normalized": "normalized",
    "temporalValues": "temporalValues",
    "aggregatedValues": "aggregatedValues",
}
_MAX_IDS: Final = 1000
_MAX_LAST: Final = 1_000_000


def asked(
    given: Mapping[str, str], active: Active, settings: BrokerSettings, *, retrieve: bool, entities: Node | None = None
) -> Asked:
    """Build the request that the parameters describe. `entities`: the selectors of a Query body."""
    if "attrs" in given and given.keys() & {"pick", "omit"}:
        raise BadRequestData("attrs: is not for use together with pick or omit (4.21)")
    expand = active.expand_term
    shown = projection(given, expand)
    wanted = _range(given, needed=not retrieve)
    state, past, scope = _conditions(given, expand)
    if entities is not None:
        state = And((entities, state))
    if "splitEntities" in given:
        params.flag(given, "splitEntities")  # it says how context sources are asked, of which there are none
    count = params.flag(given, "count")
    limit = params.whole(given, "limit", settings.page_default, settings.page_max)
    if limit == 0 and not count:
        raise BadRequestData("limit: 0 is for count=true only (6.3.13)")
    attrs = shown.attrs if shown.attrs is not None else (shown.pick or frozenset()) - ENTITY_MEMBERS
    return Asked(
        state,
        past,
        wanted,
        AttrSet(attrs) if attrs else ALL,
        _presentation(given, shown),
        attrs,
        limit,
        params.whole(given, "offset", 0, settings.offset_max),
        count,
        _descending(given.get("orderBy")),
        settings.temporal_page,
        scope,
        parse_collation(given["collation"]) if "collation" in given else None,
    )


def _range(given: Mapping[str, str], *, needed: bool) -> Range:
    relation = given.get("timerel")
    chosen = given.get("timeproperty")
    if chosen is not None and chosen not in TIME_PROPERTIES:
        raise BadRequestData(f"timeproperty: expected one of {', '.join(TIME_PROPERTIES)}, found {chosen!r:.60}")
    found = parse_time(relation, given.get("timeAt"), given.get("endTimeAt"), chosen if relation is not None else None)
    last_n = _last(given.get("lastN"))
    if found is None:
        if needed:
            raise BadRequestData("timerel: missing; querying evolutions needs a temporal query (5.7.4.4)")
        return Range(cast(TimeProperty, chosen or "observedAt"), None, None, None, last_n)
    if found.relation == "before":
        return Range(found.property, "before", None, found.at, last_n)
    return Range(found.property, found.relation, found.at, found.end, last_n)


def _last(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 0 < int(text) <= _MAX_LAST:
        raise BadRequestData(f"lastN: expected a whole number from 1 to {_MAX_LAST}, found {text!r:.40}")
    return int(text)


def _conditions(given: Mapping[str, str], expand: Expand) -> tuple[Node, Node, Node]:
    """Return what the parameters ask of current state, of the instances in the range, and of the scope then."""
    state: list[Node] = []
    if "type" in given:
        state.append(And(()) if given["type"] == "*" else parse_type(given["type"], expand))
    if "id" in given:
        ids = params.names(given, "id")
        if len(ids) > _MAX_IDS:
            raise BadRequestData(f"id: {len(ids)} ids; at most {_MAX_IDS} are taken")
        state.append(IdIn(tuple(parse_uri(one, "id") for one in ids)))
    if "idPattern" in given:
        pattern(given["idPattern"])
        state.append(IdPattern(given["idPattern"]))
    past: list[Node] = []
    if "csf" in given:
        _q(given["csf"], expand, {})  # a filter of context sources, of which local data are none
    if "q" in given:
        past.append(_q(given["q"], expand, given))
    relation = parse_geo(
        given.get("georel"), given.get("geometry"), given.get("coordinates"), given.get("geoproperty"), expand
    )
    if relation is not None:
        past.append(relation)
    scope = parse_scope(given["scopeQ"]) if "scopeQ" in given else And(())
    return _joined(state), _joined(past), scope


def _q(text: str, expand: Expand, given: Mapping[str, str]) -> Node:
    """Parse q; linked entities have no evolution to look at (5.7.4.4)."""
    names = {one: [expand(name) for name in params.names(given, one)] for one in ("jsonKeys", "expandValues")}
    try:
        return parse_q(text, expand, json_keys=names["jsonKeys"], expand_values=names["expandValues"])
    except OperationNotSupported as error:
        raise BadRequestData(f"{error.detail} (5.7.4.4)") from error


def _joined(items: list[Node]) -> Node:
    return items[0] if len(items) == 1 else And(tuple(items))


def _descending(order: str | None) -> bool:
    """Read `orderBy`: an evolution is ordered by its id only (5.7.4.3)."""
    if order not in (None, "id", "id;asc", "id;desc"):
        raise BadRequestData(f"orderBy: expected id, id;asc or id;desc, found {order!r:.60} (5.7.4.4)")
    return order == "id;desc"


def _presentation(given: Mapping[str, str], shown: Projection) -> Presentation:
    form, sys_attrs = _form(given)
    languages = parse_languages(given["lang"]) if "lang" in given else ()
    if form != "aggregatedValues":
        return Presentation(form, shown, sys_attrs, languages)
    if "aggrMethods" not in given:
        raise BadRequestData("aggrMethods: missing; format=aggregatedValues needs it (4.5.19)")
    methods = []
    for one in params.names(given, "aggrMethods"):
        if one not in METHODS:
            raise BadRequestData(f"aggrMethods: expected one or more of {', '.join(METHODS)}, found {one!r:.40}")
        methods.append(one)
    text = given.get("aggrPeriodDuration")
    period: Period = WHOLE if text is None else parse_period(text)
    return Presentation(form, shown, sys_attrs, languages, tuple(dict.fromkeys(methods)), period)


def _form(given: Mapping[str, str]) -> tuple[Form, bool]:
    """Read `format` and `options`; `format` goes first where both name one (6.3.12)."""
    chosen = given.get("format")
    if chosen is not None and chosen not in _FORMS:
        raise InvalidRequest(f"format: expected one of {', '.join(_FORMS)}, found {chosen!r:.40}")
    sys_attrs, option = False, None
    for one in params.names(given, "options"):
        if one == "sysAttrs":
            sys_attrs = True
        elif one not in _FORMS:
            raise InvalidRequest(f"options: expected sysAttrs or one of {', '.join(_FORMS)}, found {one!r:.40}")
        elif option is not None and option != one:
            raise BadRequestData(f"options: {one} contradicts {option}")
        else:
            option = one
    return _FORMS[chosen or option or "normalized"], sys_attrs


def aggregated(given: Mapping[str, str], body: Any = None) -> bool:
    """Say whether parameters, and the body of a query, ask for aggregated values; neither is checked yet."""
    if "format" in given:
        return given["format"] == "aggregatedValues"
    if "options" in given:
        return "aggregatedValues" in given["options"].split(",")
    if not isinstance(body, dict):
        return False
    return any(
        isinstance(part := body.get(name), dict) and "aggrMethods" in part for name in ("temporalQ", "aggrParams")
    )


def too_wide(given: Mapping[str, str], active: Active, *, typed: bool = False) -> None:
    """Refuse a query without type, attrs, q, georel or local=true; system attributes do not count (5.7.4.4)."""
    if typed or "type" in given or "georel" in given or params.flag(given, "local"):
        return
    names = {active.expand_term(one) for one in params.names(given, "attrs")} - SYSTEM_TIMES.keys()
    if not names and "q" not in given:
        raise BadRequestData(
            "the query is too wide: give at least one of type, attrs, q, georel, or local=true (5.7.4.4)"
        )


# ---- Query bodies

_BODY: Final = frozenset(
    {
        "type",
        "entities",
        "attrs",
        "csf",
        "q",
        "geoQ",
        "scopeQ",
        "temporalQ",
        "aggrParams",
        "lang",
        "pick",
        "omit",
        "datasetId",
        "expandValues",
        "jsonKeys",
        "ordering",
    }
)
_LISTS: Final = frozenset({"attrs", "pick", "omit", "datasetId", "aggrMethods", "expandValues", "jsonKeys", "orderBy"})
_OBJECTS: Final[Mapping[str, frozenset[str]]] = {
    "geoQ": _GEO,
    "temporalQ": _TIME,
    "aggrParams": _TIME,
    "ordering": frozenset({"orderBy", "collation"}),
}


def from_body(body: Any, url: Mapping[str, str], active: Active) -> tuple[dict[str, str], Node | None]:
    """Turn a Query body (5.2.23) into the parameters that say the same, and the condition of its `entities`."""
    if not isinstance(body, dict) or body.get("type") != "Query":
        raise BadRequestData("type: a Query is needed (5.2.23)")
    given: dict[str, str] = {}
    for name, value in body.items():
        if name in ("@context", "type", "entities"):
            continue
        if name not in _BODY:
            raise BadRequestData(f"{name:.80}: a Query for evolutions has no such member (5.2.23)")
        if name in _OBJECTS:
            given.update(_members(name, value, _OBJECTS[name]))
        else:
            given[name] = _text(name, value)
    if aggregated(url, body):
        given["format"] = "aggregatedValues"
    given.update(url)
    return given, _selectors(body.get("entities"), active.expand_term)


def _members(name: str, value: Any, known: frozenset[str]) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadRequestData(f"{name}: an object is needed")
    found = {}
    for member, item in value.items():
        if member not in known:
            raise BadRequestData(f"{name}.{member:.80}: no such member; known are {', '.join(sorted(known))}")
        found[member] = _text(f"{name}.{member}", item, member)
    return found


def _text(path: str, value: Any, member: str | None = None) -> str:
    """Write a member's value as the parameter of the same name."""
    name = member or path
    if isinstance(value, str):
        return value
    if name == "lastN" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name == "coordinates" and isinstance(value, list):
        return _json(value)
    if name in _LISTS and isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return ",".join(value)
    raise BadRequestData(f"{path}: {value!r:.60} is not what this member takes (5.2.21, 5.2.23)")


def _json(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_json(one) for one in value) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise BadRequestData(f"geoQ.coordinates: {value!r:.60} is no number")


def _selectors(value: Any, expand: Expand) -> Node | None:
    """Read EntitySelectors (5.2.33): any of them selects."""
    if value is None:
        return None
    if not isinstance(value, list) or not value or len(value) > _MAX_IDS:
        raise BadRequestData(f"entities: an array of 1 to {_MAX_IDS} entity selectors is needed")
    found: list[Node] = []
    for at, one in enumerate(value):
        if not isinstance(one, dict) or not one.keys() <= {"id", "idPattern", "type"} or "type" not in one:
            raise BadRequestData(f"entities[{at}]: an object with type, and id or idPattern, is needed (5.2.33)")
        if not all(isinstance(item, str) for item in one.values()):
            raise BadRequestData(f"entities[{at}]: type, id and idPattern are strings")
        found.append(_conditions(one, expand)[0])
    return Or(tuple(found))
