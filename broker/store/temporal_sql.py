"""Conditions on instances of the history, as SQL: what is asked for, what is shown, and what a predicate sees.

`h` is the row of `history`, `e` that of the entity, `f` its flags (one boolean per node of `Rules`). A predicate of the
user's is compiled for a row that stands for the entity as its instances in the range show it: each attribute has the
array of them, so that a predicate holds if any of them meets it (5.7.4.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from broker.core import times
from broker.core.access import ALL, AttrSet
from broker.core.parse_time import TimeProperty
from broker.core.query import And, AnyAttr, Compare, Exists, GeoRel, Matches, Node, Not, Or
from broker.core.temporal import SCOPE, Range
from broker.core.temporal_access import ALWAYS, NEVER, Rules, Slice
from broker.store.compile import compile_flag, compile_where
from broker.store.compile_geo import relation_sql
from broker.store.compile_params import Params

__all__ = ["CREATED", "TIME", "Selection", "Statement", "attr_names"]

CREATED: Final = "coalesce(h.created_at, h.received_at)"
TIME: Final[dict[TimeProperty, str]] = {
    "observedAt": "h.observed_at",
    "createdAt": CREATED,
    "modifiedAt": "h.received_at",
    "deletedAt": "h.observed_at",
}
_OBSERVED: Final = f"(h.observed_at <> {CREATED} OR h.body::jsonb ? 'observedAt')"
_GEOMETRY: Final = (
    "ST_MakeValid(ST_Force2D(ST_SetSRID(ST_GeomFromGeoJSON((h.body::jsonb) ->> 'value'), 4326)), "
    "'method=structure keepcollapsed=false')"
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instances of entities are meant: those asked for of these attributes and datasets that the slices show.

    `valid`: by entity, when its scope matched (a tstzmultirange as text); None where no scope is asked for.
    """

    range: Range
    attrs: AttrSet
    slices: Sequence[Slice]
    datasets: frozenset[str] | None = None
    valid: Mapping[str, str] | None = None


class Statement:
    """A statement in the making: fragments of SQL, and the parameters that they number."""

    def __init__(self) -> None:
        self.values: list[object] = []

    # ---- parameters

    def text(self, value: str) -> str:
        """Return a text."""
        self.values.append(value)
        return f"${len(self.values)}::text"

    def texts(self, values: Iterable[str]) -> str:
        """Return an array of texts."""
        self.values.append(sorted(values))
        return f"${len(self.values)}::text[]"

    def number(self, value: int) -> str:
        """Return a whole number."""
        self.values.append(value)
        return f"${len(self.values)}::bigint"

    def value(self, value: object, cast: str) -> str:
        """Return a value of the type that the cast names."""
        self.values.append(value)
        return f"${len(self.values)}::{cast}"

    def instant(self, canonical: str) -> str:
        """Return an instant from its canonical text."""
        return self.value(times.to_datetime(canonical), "timestamptz")  # as a text it would be parsed for each row

    # ---- conditions on the entity

    def where(self, node: Node, alias: str) -> str:
        """Return a condition for a WHERE clause on current state."""
        compiled = compile_where(node, len(self.values) + 1, alias)
        self.values += compiled.params
        return compiled.sql

    def flag(self, node: Node, alias: str) -> str:
        """Return a condition that is answered from the row alone."""
        compiled = compile_flag(node, len(self.values) + 1, alias)
        self.values += compiled.params
        return compiled.sql

    # ---- conditions on an instance

    def selected(self, one: Selection) -> str:
        """Return the condition that an instance is selected; `v.valid` is when its entity's scope matched."""
        asked = self.asked(one.range, one.attrs, one.datasets, scoped=one.valid is not None)
        found = f"{asked} AND {self.shown(one.slices)}"
        return found if one.valid is None else f"{found} AND h.observed_at <@ v.valid"

    def validity(self, one: Selection, entity: str) -> str:
        """Return a join that gives `v.valid` of an entity; nothing where no scope is asked for."""
        if one.valid is None:
            return ""
        ids, valid = self.value(list(one.valid), "text[]"), self.value(list(one.valid.values()), "text[]")
        spans = f"SELECT id, valid::tstzmultirange FROM unnest({ids}, {valid}) AS u (id, valid)"  # noqa: S608
        return f"JOIN ({spans}) v ON v.id = {entity}"

    def asked(
        self, wanted: Range, attrs: AttrSet, datasets: Iterable[str] | None = None, *, scoped: bool = False
    ) -> str:
        """Return the condition that an instance is one of those asked for.

        `scoped`: the scope is asked for, and so shown also where it was set before the range (4.18, C.5.16).
        """
        parts = ["h.attr <> ''", *self._attrs(attrs)]
        if datasets is not None:
            parts.append(f"(h.dataset_id = ANY({self.texts(datasets)}) OR h.attr = '{SCOPE}')")
        at = TIME[wanted.timeproperty]
        if wanted.start is not None:
            start = self.instant(wanted.start)
            since = f"{at} >= {start}"
            if scoped:
                before = (
                    f"SELECT max(b.observed_at) FROM history b WHERE b.entity = h.entity AND b.attr = '{SCOPE}' "  # noqa: S608
                    f"AND b.observed_at < {start}"
                )
                since = f"({since} OR (h.attr = '{SCOPE}' AND h.observed_at = ({before})))"
            parts.append(since)
        if wanted.end is not None:
            parts.append(f"{at} < {self.instant(wanted.end)}")
        if wanted.timeproperty == "deletedAt":
            parts.append("h.kind = 'deleted'")
        elif wanted.timeproperty == "observedAt" and wanted.asked:
            parts.append(_OBSERVED)
        return " AND ".join(parts)

    def shown(self, slices: Sequence[Slice]) -> str:
        """Return the condition that an instance is among slices."""
        return _any([self._slice(one) for one in slices])

    def shown_by(self, rules: Rules) -> str:
        """Return the condition that an instance is shown, from the entity's flags."""
        granted = []
        for place, one in zip(rules.grants, rules.slices_of, strict=True):
            if place != NEVER:
                parts = [part for part in (_flag(place), self._slice(one)) if part != "TRUE"]
                granted.append(" AND ".join(parts) or "TRUE")
        found = _any(granted)
        for place, hidden in rules.prohibitions:
            if place != NEVER:
                attrs = " AND ".join([*self._attrs(hidden), f"h.attr <> '{SCOPE}'"])
                found = f"({found}) AND NOT ({_flag(place)} AND {attrs})"
        return found

    def _slice(self, one: Slice) -> str:
        attrs = one.attrs
        parts = self._attrs(attrs if attrs.complement else replace(attrs, names=attrs.names | {SCOPE}))
        if one.start is not None:
            parts.append(f"h.observed_at >= {self.instant(one.start)}")
        if one.end is not None:
            parts.append(f"h.observed_at < {self.instant(one.end)}")
        if not one.geo:
            parts.append("strpos(h.body, '\"GeoProperty\"') = 0")  # nor in a sub-attribute, nor what is not known
        return " AND ".join(parts) or "TRUE"

    def _attrs(self, attrs: AttrSet) -> list[str]:
        if attrs == ALL:
            return []
        if attrs.complement:
            return [f"h.attr <> ALL({self.texts(attrs.names)})"]
        return [f"h.attr = ANY({self.texts(attrs.names)})"]

    def scope_validity(self, node: Node) -> str:
        """Return a lateral join that gives `v.valid`: when the entity's scope met a scope query (4.18, C.5.16).

        A scope is valid until the next one, or until it is deleted. That of an entity whose scope has no history is
        valid at all times.
        """
        matched = (
            "SELECT range_agg(tstzrange(w.since, w.until)) FROM (SELECT h.observed_at AS since, "  # noqa: S608
            "lead(h.observed_at) OVER (ORDER BY h.observed_at) AS until, CASE WHEN h.kind = 'value' THEN "
            "ARRAY(SELECT jsonb_array_elements_text((h.body::jsonb) -> 'value')) END AS scopes "
            f"FROM history h WHERE h.entity = e.id AND h.attr = '{SCOPE}') w WHERE {self.flag(node, 'w')}"
        )
        known = f"EXISTS (SELECT FROM history h WHERE h.entity = e.id AND h.attr = '{SCOPE}')"
        always = f"CASE WHEN {self.flag(node, 'e')} THEN '{{(,)}}'::tstzmultirange END"
        return f"CROSS JOIN LATERAL (SELECT CASE WHEN {known} THEN ({matched}) ELSE {always} END AS valid OFFSET 0) v "

    # ---- predicates on instances

    def meets(self, node: Node, instances: str) -> tuple[str, str]:
        """Return a lateral join and a condition: the entity's instances in the range meet the predicate.

        `instances` is the condition that an instance counts.
        """
        names = attr_names(node)
        join = ""
        if names:
            join = (
                "CROSS JOIN LATERAL (SELECT e.id, e.types, e.scopes, e.meta, e.created_at, e.modified_at, "  # noqa: S608
                "NULL::geometry AS location, coalesce(array_agg(s.attr), '{}') AS names, "
                "coalesce(array_agg(s.seg), '{}') AS segs, "
                "coalesce(jsonb_object_agg(s.attr, '[]'::jsonb) FILTER (WHERE s.attr IS NOT NULL), '{}') AS vals "
                "FROM (SELECT h.attr, '[' || string_agg(h.body, ',') || ']' AS seg FROM history h "
                f"WHERE h.entity = e.id AND h.kind = 'value' AND h.attr = ANY({self.texts(names)}) AND {instances} "
                "GROUP BY h.attr) s OFFSET 0) w"
            )
        return join, self._predicate(node, instances)

    def _predicate(self, node: Node, instances: str) -> str:
        match node:
            case And(items):
                return "(" + (" AND ".join(self._predicate(item, instances) for item in items) or "TRUE") + ")"
            case Or(items):
                return _any([self._predicate(item, instances) for item in items])
            case Not(item):
                return f"(({self._predicate(item, instances)}) IS NOT TRUE)"
            case AnyAttr(attrs):
                return f"EXISTS (SELECT FROM history h WHERE h.entity = e.id AND h.attr = ANY({self.texts(attrs)}) AND {instances})"  # noqa: E501
            case GeoRel(attr):
                return self._relation(node, attr, instances)
        return self.flag(node, "w")

    def _relation(self, node: GeoRel, attr: str, instances: str) -> str:
        params = Params(len(self.values) + 1, "g")
        relation = relation_sql(node, "g.geom", params)
        self.values += params.values
        return (
            f"EXISTS (SELECT FROM (SELECT {_GEOMETRY} AS geom FROM history h WHERE h.entity = e.id "  # noqa: S608
            f"AND h.attr = {self.text(attr)} AND h.kind = 'value' AND {instances} "
            f"AND (h.body::jsonb) ->> 'type' = 'GeoProperty' OFFSET 0) g WHERE {relation})"
        )


def attr_names(node: Node) -> frozenset[str]:
    """Return the attributes that terms of a predicate look at, geoqueries apart."""
    match node:
        case And(items) | Or(items):
            return frozenset[str]().union(*map(attr_names, items))
        case Not(item):
            return attr_names(item)
        case Exists(path) | Compare(path) | Matches(path):
            return frozenset({path.attr})
    return frozenset()


def _flag(place: int) -> str:
    return "TRUE" if place == ALWAYS else f"f.flags[{place + 1}]"


def _any(items: Sequence[str]) -> str:
    """Join; where one of several is always true the others stay, for their parameters are in the statement already."""
    if items and set(items) == {"TRUE"}:
        return "TRUE"
    return "(" + (" OR ".join(f"({item})" for item in items) or "FALSE") + ")"
