"""Discovery of registrations in SQL (CIM 009 V1.9.1, 5.10.2, 5.12): what `broker.core.registration.matches` says.

What of a registration a caller sees (`broker.core.registration_access`) is part of the condition on each row of
registration_info, so that nothing is found by what is hidden, and pages and counts are of what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import orjson
import shapely

from broker.core import geo
from broker.core.entity import CORE, LOCATION
from broker.core.parse_time import TemporalQuery
from broker.core.pattern import pattern
from broker.core.query import TRUE, And, GeoRel, GeoRelation, Node, Or, TypeIs
from broker.core.registration import Asked, Registration
from broker.core.registration_access import Cover, Reach
from broker.core.subscription import Selector
from broker.store.compile import ALIVE, compile_where, node_sql
from broker.store.compile_geo import relation_sql
from broker.store.compile_params import Params
from broker.store.named import load
from broker.store.pool import Conn
from broker.store.registrations import Stored, info_rows, stored

__all__ = ["condition", "count", "entities_in_the_way", "overlapping", "page", "seen"]

_COLUMNS: Final = "r.id, r.doc, r.party, r.created_at, r.modified_at, r.expires_at"
_SPACES: Final = {
    LOCATION: "r.location",
    CORE + "observationSpace": "r.observation_space",
    CORE + "operationSpace": "r.operation_space",
}

_SQL: Final = load("registrations")


async def page(
    conn: Conn, asked: Asked, reach: Reach, party: str, limit: int, offset: int, now: datetime
) -> list[Stored]:
    """Return a page, by id, of the registrations that match among those that the party sees."""
    where, params = condition(asked, reach, party, now)
    at = len(params)
    sql = f"SELECT {_COLUMNS} FROM registrations r WHERE {where} ORDER BY r.id LIMIT ${at + 1} OFFSET ${at + 2}"  # noqa: S608 (compiled)
    return [stored(row) for row in await conn.fetch(sql, *params, limit, offset)]


async def count(conn: Conn, asked: Asked, reach: Reach, party: str, now: datetime) -> int:
    """Count the registrations that match among those that the party sees."""
    where, params = condition(asked, reach, party, now)
    return int(await conn.fetchval(f"SELECT count(*) FROM registrations r WHERE {where}", *params))  # noqa: S608 (compiled)


async def overlapping(conn: Conn, one: Registration, modes: Sequence[str], now: datetime) -> list[Stored]:
    """Return registrations of these modes that may be about the same attributes of the same entities, 100 at most."""
    rows = orjson.dumps(info_rows(one)).decode()
    return [stored(row) for row in await conn.fetch(_SQL["overlapping"], rows, list(modes), one.id, now)]


async def entities_in_the_way(conn: Conn, where: Node) -> str | None:
    """Return the id of an entity that meets the condition, the first by id; None if there is none."""
    found = compile_where(where)
    alive = ALIVE.format("e")
    sql = f"SELECT e.id FROM entities e WHERE {alive} AND {found.sql} ORDER BY e.id LIMIT 1"  # noqa: S608 (compiled)
    id: str | None = await conn.fetchval(sql, *found.params)
    return id


def condition(asked: Asked, reach: Reach, party: str, now: datetime) -> tuple[str, list[object]]:
    """Compile the condition on the row `r` of registrations, and its parameters."""
    if asked.datasets is not None or asked.encountered:
        raise ValueError("datasets and encountered sources are for matching in memory")
    params = Params(1, "r")
    info = _info_sql(asked, reach, party, params)
    parts = [
        f"EXISTS (SELECT FROM registration_info i WHERE i.registration = r.id AND {info})",
        *_time_sql(asked.temporal, params),
    ]
    if asked.geo is not None:
        parts.append(_place_sql(asked.geo, params))
    parts += [node_sql(node, params) for node in (asked.csf, asked.scope) if node != TRUE]
    values = [*params.values, now]
    return f"{' AND '.join(parts)} AND (r.expires_at IS NULL OR r.expires_at > ${len(values)})", values


def seen(stored: Stored, reach: Reach, party: str) -> Stored | None:
    """Return what the party sees of a registration, None if nothing."""
    if stored.party == party or reach.whole:
        return stored
    doc = reach.shown(stored.doc)
    return None if doc is None else replace(stored, doc=doc)


# ---- rows of registration_info


def _info_sql(asked: Asked, reach: Reach, party: str, params: Params) -> str:
    parts = []
    if asked.selectors:
        parts.append(_any(_selector_sql(one, params) for one in asked.selectors))
    wanted = params.texts(("", *dict.fromkeys(asked.attrs))) if asked.attrs else None
    if wanted is not None:
        parts.append(f"i.attrs && {wanted}")
    if not reach.whole:
        among = f" AND a.name = ANY({wanted})" if wanted is not None else ""
        shown = f"EXISTS (SELECT FROM unnest(i.attrs) a (name) WHERE {_reach_sql(reach, params)}{among})"
        parts.append(f"(r.party = {params.text(party)} OR {shown})")
    return " AND ".join(parts) or "TRUE"


def _selector_sql(one: Selector, params: Params) -> str:
    types = _types_sql(one.types, params)
    if not one.ids and one.id_pattern is None:
        return types
    ways = ["(i.entity IS NULL AND i.pattern IS NULL)"]
    if one.ids:
        ids = params.texts(one.ids)
        ways.append(f"i.entity = ANY({ids})")
        ways.append(f'EXISTS (SELECT FROM unnest({ids}) q (id) WHERE q.id COLLATE "C" ~ i.pattern)')
    if one.id_pattern is not None:
        ways.append(f'i.entity COLLATE "C" ~ {params.text(pattern(one.id_pattern).ere)}')
        ways.append("i.pattern IS NOT NULL")
    return f"({types} AND {_any(ways)})"


def _types_sql(node: Node, params: Params) -> str:
    match node:
        case TypeIs(type=name):
            return f"i.types && {params.texts(('', name))}"
        case And(items=()):
            return "TRUE"
        case And(items=items):
            return f"({' AND '.join(_types_sql(item, params) for item in items)})"
        case Or(items=items):
            return _any(_types_sql(item, params) for item in items)
    raise TypeError(f"not a type selection: {node!r}")


def _reach_sql(reach: Reach, params: Params) -> str:
    """Say whether the types of the row `i` are covered for the attribute `a.name`, "" where none is named."""
    groups: dict[Cover, list[str]] = {}
    for name in sorted(reach.named):
        groups.setdefault(reach.attr(name), []).append(name)
    ways = [f"WHEN a.name = '' THEN {_cover_sql(reach.unnamed(), params)}"]
    for cover, names in groups.items():
        ways.append(f"WHEN a.name = ANY({params.texts(names)}) THEN {_cover_sql(cover, params)}")
    return f"CASE {' '.join(ways)} ELSE {_cover_sql(reach.unheard(), params)} END"


def _cover_sql(cover: Cover, params: Params) -> str:
    if cover.barred is None:
        return "FALSE"
    parts = []
    if cover.types is not None:
        parts.append(f"i.types <@ {params.texts(sorted(cover.types))}")
    if cover.barred:
        parts.append(f"NOT i.types && {params.texts(('', *sorted(cover.barred)))}")
    return " AND ".join(parts) or "TRUE"


# ---- the registration itself


def _time_sql(asked: TemporalQuery | None, params: Params) -> list[str]:
    if asked is None:
        return ["r.observed_from IS NULL", "r.managed_from IS NULL"]
    which = "observed" if asked.property == "observedAt" else "managed"
    parts = [f"r.{which}_from IS NOT NULL"]
    if asked.relation != "after":
        limit = asked.at if asked.relation == "before" else asked.end or asked.at
        parts.append(f"r.{which}_from < {params.text(limit)}")
    if asked.relation != "before":
        parts.append(f"(r.{which}_to IS NULL OR r.{which}_to >= {params.text(asked.at)})")
    return parts


def _place_sql(asked: GeoRel, params: Params) -> str:
    """Write `broker.core.registration.possible`."""
    column = _SPACES.get(asked.attr)
    if column is None:
        return "FALSE"

    def stands(relation: GeoRelation) -> str:
        return relation_sql(replace(asked, rel=relation), column, params)

    match asked.rel:
        case "within" | "intersects":
            return stands("intersects")
        case "contains":
            return stands("contains")
        case "equals":
            return f"({stands('equals')} OR {stands('contains')})"
        case "disjoint":
            return f"({column} IS NOT NULL AND NOT ST_IsEmpty({column}) AND ({stands('within')}) IS NOT TRUE)"
        case "overlaps":
            return f"({stands('intersects')} AND ({stands('within')}) IS NOT TRUE)"
    parts = [f"({column} IS NOT NULL AND NOT ST_IsEmpty({column}))"]
    if asked.max_m is not None:
        parts.append(relation_sql(replace(asked, min_m=None), column, params))
    if asked.min_m is not None:
        other = f"ST_GeomFromWKB({params.binary(shapely.to_wkb(geo.reference(asked.geometry)))}, 4326)"
        far = f"ST_Distance(geography(d.geom), geography({other}), false) > {params.number(asked.min_m)}"
        parts.append(f"EXISTS (SELECT FROM ST_DumpPoints({column}) d WHERE {far})")
    return f"({' AND '.join(parts)})"


def _any(items: Iterable[str]) -> str:
    found = list(items)
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"
