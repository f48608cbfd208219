"""The query AST as SQL over a tenant's `entities` table: the same answers as `broker.core.match` gives in memory.

Values are always parameters. Conditions are written so that indexes serve them: btree on `(vals -> IRI)`, GiST on
`location` and `entity_geo.geom`, the primary keys, `entity_type` for types at the top of a condition, and where they
exist GIN on `types`, `names` and `scopes`. An expression index can serve only plans made for the values at hand, and
how rare a scope, a place or a range is can be known for these alone: lend compiled statements a connection `anew`.

What the table must hold besides its DDL: `vals` has every attribute, as its scalar or as `[]` (`segments.scalar_of`);
the database's collation is C; `location` and `entity_geo` hold the geometry that `segments.geometry_of` gives.
NULL counts as false in what `compile_where` returns; `compile_flag` is for select lists and never NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.core.pattern import pattern
from broker.core.query import (
    And,
    AnyAttr,
    Compare,
    Exists,
    GeoRel,
    IdIn,
    IdPattern,
    Linked,
    Matches,
    Node,
    Not,
    Or,
    ScopeIs,
    TypeIs,
)
from broker.core.scopes import is_plain, scope_expression
from broker.store.compile_geo import geo_sql
from broker.store.compile_params import Params
from broker.store.compile_terms import term_sql

__all__ = ["ALIVE", "Compiled", "compile_flag", "compile_where", "node_sql"]

ALIVE = "({0}.expires_at IS NULL OR {0}.expires_at > now())"
"""The condition that a row has not expired (4.22)."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An SQL expression and its parameters: `$start` is `params[0]`. It needs no joins and raises on no stored data."""

    sql: str
    params: list[object]


def compile_where(node: Node, start: int = 1, alias: str = "e", after: str | None = None) -> Compiled:
    """Compile a condition on the row `alias` of `entities`, for a WHERE clause; parameters are numbered from `start`.

    Parameters are str, float, bytes and list[str]; each is cast in the SQL. The next fragment of the same statement
    starts at `start + len(params)`. `after`: only rows whose ids come after it. It is said of the side table as well,
    for the planner does not conclude it, and would read the table from its beginning for every page of a walk.
    """
    params = Params(start, alias, after)
    sql = _sql(node, params, top=True)
    if after is not None:
        sql = f"{sql} AND {alias}.id > {params.text(after)}"
    return Compiled(sql, params.values)


def compile_flag(node: Node, start: int = 1, alias: str = "e") -> Compiled:
    """Compile a condition for a select list (`narrow.row_filters`): never NULL, and answered from the row alone."""
    params = Params(start, alias)
    return Compiled(f"({_sql(node, params, top=False)}) IS TRUE", params.values)


def node_sql(node: Node, params: Params) -> str:
    """Compile a condition on the row `params.alias` for use inside another expression; it may be NULL."""
    return _sql(node, params, top=False)


def _sql(node: Node, params: Params, top: bool) -> str:
    row = params.alias
    match node:
        case And(items):
            return _join(" AND ", "TRUE", [_sql(item, params, top) for item in items])
        case Or(items):
            if len(items) > 1 and (types := _types(items)) is not None:
                return _type_sql(types, params, top)
            return _join(" OR ", "FALSE", [_sql(item, params, top=False) for item in items])
        case Not(item):
            return f"(({_sql(item, params, top=False)}) IS NOT TRUE)"
        case TypeIs(type_):
            return _type_sql((type_,), params, top)
        case IdIn(ids):
            return f"{row}.id = ANY({params.texts(ids)})"
        case IdPattern(expression):
            return f'{row}.id COLLATE "C" ~ {params.text(pattern(expression).ere)}'
        case AnyAttr(attrs):
            return f"{row}.names && {params.texts(attrs)}"
        case ScopeIs(text):
            return _scope_sql(text, params)
        case GeoRel():
            return geo_sql(node, params)
        case Linked():
            return _linked_sql(node, params)
        case Exists() | Compare() | Matches():
            return term_sql(node, params)


def _join(operator: str, empty: str, items: list[str]) -> str:
    if len(items) < 2:
        return items[0] if items else empty
    return f"({operator.join(items)})"


def _types(items: Sequence[Node]) -> tuple[str, ...] | None:
    found = tuple(item.type for item in items if isinstance(item, TypeIs))
    return found if len(found) == len(items) else None


def _type_sql(types: tuple[str, ...], params: Params, top: bool) -> str:
    """At the top of a condition a join by the side table, which also gives the order by id; below, the row's array."""
    row = params.alias
    if not top:
        return f"{row}.types && {params.texts(types)}"
    wanted = f"= {params.text(types[0])}" if len(types) == 1 else f"= ANY({params.texts(types)})"
    if params.after is not None:
        wanted += f" AND t.id > {params.text(params.after)}"
    return f"{row}.id IN (SELECT t.id FROM entity_type t WHERE t.type {wanted})"  # noqa: S608 (values are parameters)


def _linked_sql(node: Linked, params: Params) -> str:
    """Look targets up by their ids, which are few, in the row's own segment."""
    attr, inner = params.text(node.attr), params.within()
    row, other = params.alias, inner.alias
    segment = f"(({row}.segs[array_position({row}.names, {attr})])::jsonb)"
    steps = " UNION ALL ".join(
        f"SELECT o.v #>> '{{}}' FROM jsonb_path_query({segment}, '$[*].{step}') o(v)"  # noqa: S608 (compiled)
        for step in ("object[*]", "objectList[*].object")
    )
    conditions = [f"{other}.id = ANY(ARRAY({steps}))", ALIVE.format(other)]
    if node.types:
        conditions.append(f"{other}.types && {params.texts(node.types)}")
    conditions.append(_sql(node.item, inner, top=False))
    found = f"EXISTS (SELECT FROM entities {other} WHERE {' AND '.join(conditions)})"
    return f"({row}.names @> ARRAY[{attr}] AND {found})"


def _scope_sql(text: str, params: Params) -> str:
    scopes = f"{params.alias}.scopes"
    root = text.removesuffix("/#")
    found = f"({scopes} IS NOT NULL AND broker.scope_roots({scopes}) @> {{}})"
    if is_plain(text):
        plain = text.removeprefix("/")
        return f"({found.format(params.texts(('/' + plain,)))} AND {scopes} && {params.texts(('/' + plain, plain))})"
    if root and root != text and is_plain(root):
        below = params.text(root.removeprefix("/") + "/")
        quick = f"EXISTS (SELECT FROM unnest({scopes}) s(v) WHERE starts_with(ltrim(s.v, '/') || '/', {below}))"
        # Both say the same: the first is for the index, the second for rows that are looked at one by one.
        return f"({found.format(params.texts(('/' + root.removeprefix('/'),)))} AND {quick})"
    expression = params.text(f"^(?:{scope_expression(text)})$")
    return f'EXISTS (SELECT FROM unnest({scopes}) s(v) WHERE s.v COLLATE "C" ~ {expression})'
