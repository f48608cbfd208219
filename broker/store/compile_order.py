"""Orderings as SQL (CIM 009 V1.9.1, 4.23), in the form that the indexes of `broker.store.indexes` serve.

Each term reads one value of the entity, as jsonb, and orders by its type's rank (4.23.2), then by the number or
boolean, then by the text in the collation. What is absent, or hidden from the caller, comes last in either direction.

SPEC 4.23.2 ranks objects and arrays but does not say how two of them compare: they are equal, the next term decides.
An attribute of several instances is ordered by its default instance, else by its first; a LanguageProperty without a
language in the path is an object; an entity of several types or scopes is ordered by the least of them. Strings are
ordered by their first 500 characters, which is what an index can hold of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import shapely

from broker.core.entity import LOCATION
from broker.core.geo import reference
from broker.core.query import TRUE, Order, Path
from broker.core.terms import CREATED_AT, MODIFIED_AT
from broker.store.compile import node_sql
from broker.store.compile_geo import first_sql
from broker.store.compile_params import Params
from broker.store.compile_terms import instance_sql

__all__ = ["ROOT_COLLATION", "Ordering", "compile_order", "keys_of", "whole_value"]

ROOT_COLLATION: Final = '"und-x-icu"'
"""ICU's root, the default of 4.23.1."""

_COLUMNS: Final = {CREATED_AT: "created_at", MODIFIED_AT: "modified_at"}


@dataclass(frozen=True, slots=True)
class Ordering:
    """`joins` goes after the table, `terms` after ORDER BY; `params[0]` is `$start`."""

    joins: str
    terms: str
    params: list[object]


def compile_order(
    order: Sequence[Order], start: int = 1, alias: str = "e", collation: str = ROOT_COLLATION
) -> Ordering:
    """Compile an ordering of the rows `alias`, the id last. `collation` is a quoted identifier."""
    params = Params(start, alias)
    joins: list[str] = []
    terms: list[str] = []
    for number, one in enumerate(order):
        if one.by == "id":
            if collation != ROOT_COLLATION:
                terms.append(f"{alias}.id COLLATE {collation} {_way(one)}")
            terms.append(f"{alias}.id {_way(one)}")
            break
        terms += _terms(one, f"o{number}", params, joins, collation)
    else:
        terms.append(f"{alias}.id")
    return Ordering("".join(joins), ", ".join(terms), params.values)


def _way(one: Order) -> str:
    return "DESC NULLS LAST" if one.descending else "ASC NULLS LAST"


def _terms(one: Order, name: str, params: Params, joins: list[str], collation: str) -> list[str]:
    row, way = params.alias, _way(one)
    if not isinstance(one.by, Path):
        column = "types" if one.by == "type" else "scopes"
        least = f"SELECT t FROM unnest({row}.{column}) t ORDER BY t COLLATE {collation} LIMIT 1"  # noqa: S608 (fixed)
        return [f"({least}) COLLATE {collation} {way}"]
    if one.by.attr in _COLUMNS:
        return [f"{_seen(one, f'{row}.{_COLUMNS[one.by.attr]}', params)} {way}"] if one.by == Path(one.by.attr) else []
    found: list[str] = []
    if one.origin is not None:
        found.append(f"{_seen(one, _distance(one.by, one.origin, params), params)} {way}")
    whole = one.by == Path(one.by.attr)
    value = whole_value(params.text(one.by.attr), row) if whole else instance_sql(one.by, params)
    if value is None:
        return found
    if not whole:
        joins.append(f" LEFT JOIN LATERAL ({value}) {name} ON TRUE")
        value = f"{name}.v"
    if one.visible != TRUE:
        # Worked out once a row; an index could not serve it anyway.
        joins.append(f" CROSS JOIN LATERAL (SELECT {_seen(one, value, params)} AS v OFFSET 0) {name}s")
        value = f"{name}s.v"
    return found + [f"{key} {way}" for key in keys_of(value, collation, one.descending)]


def _seen(one: Order, value: str, params: Params) -> str:
    if one.visible == TRUE:
        return value
    return f"(CASE WHEN ({node_sql(one.visible, params)}) IS TRUE THEN {value} END)"


def whole_value(attr: str, row: str) -> str:
    """Return the value that a whole attribute is ordered by; `attr` is SQL that gives its IRI."""
    return f"broker.order_value({row}.vals, {row}.names, {row}.segs, {attr})"


def keys_of(value: str, collation: str, descending: bool) -> tuple[str, str, str]:
    """Return what orders jsonb values: rank, number or boolean, text; a JSON null comes after all other values."""
    return (
        f"broker.order_rank({value}, {-1 if descending else 8})",
        f"broker.order_number({value})",
        f"broker.order_text({value}) COLLATE {collation}",
    )


def _distance(path: Path, origin: str, params: Params) -> str:
    row = params.alias
    shape = f"ST_GeomFromWKB({params.binary(shapely.to_wkb(reference(origin)))}, 4326)"
    column = f"{row}.location"
    if path.attr != LOCATION:
        attr = params.text(path.attr)
        found = f"FROM entity_geo g WHERE g.id = {row}.id AND g.attr = {attr}"
        return f"(SELECT ST_Distance(geography({first_sql('g.geom')}), geography({shape}), false) {found})"
    return f"ST_Distance(geography({first_sql(column)}), geography({shape}), false)"
