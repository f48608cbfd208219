"""Query terms as SQL: Exists, Compare and Matches, by the rules of `broker.core.terms`.

A term on a whole attribute is first answered from `vals`, whose scalars btree indexes on `(vals -> IRI)` serve: jsonb
orders null < strings < numbers < booleans < arrays, so each type is an interval. Attributes that are no single scalar
stand in `vals` as `[]`, the least of all; for them, and for terms with sub-attributes, members or a language, the
segment is parsed and its elements are looked at one by one.
"""

from __future__ import annotations

import json
from typing import Final

from broker.core.query import Compare, Exists, Matches, Operand, Path, Range, Text
from broker.core.terms import CREATED_AT, SYSTEM_TIMES, VALUE_MEMBERS, comparable, member_of, system_time
from broker.store.compile_params import Params
from broker.store.compile_values import FALSE_SQL, Test, Tests

__all__ = ["instance_sql", "term_sql"]

_OTHER: Final = "'[]'::jsonb"


def term_sql(node: Exists | Compare | Matches, params: Params) -> str:
    """Compile a term on the row `params.alias`."""
    path = node.path
    if not _reachable(path):
        return FALSE_SQL
    if isinstance(node, Exists):
        return _Term(path, params).exists()
    if isinstance(node, Matches):
        return FALSE_SQL if system_time(path) else _Term(path, params).matches(node.pattern, node.negated)
    if node.op in ("==", "!="):
        return _Term(path, params).equality(node.op == "!=", node.operand)
    if isinstance(node.operand, Range) or not comparable(path, node.operand):
        return FALSE_SQL
    return _Term(path, params).order(node.op, node.operand)


def _reachable(path: Path) -> bool:
    """Say whether the path can lead anywhere: nothing lies below a member, and system times are one step deep."""
    names = (path.attr, *path.sub)
    ends = [name in SYSTEM_TIMES or (depth > 0 and member_of(name) is not None) for depth, name in enumerate(names)]
    if any(ends[:-1]) or (names[-1] in SYSTEM_TIMES and len(names) > 2):
        return False
    return not (ends[-1] and (path.member or path.lang is not None))


def instance_sql(path: Path, params: Params) -> str | None:
    """Select as `v` the one value that an entity is ordered by (4.23): of the path's elements that have a value the
    first, one without datasetId before others. None if the path can lead nowhere.
    """
    if not _reachable(path):
        return None
    term = _Term(path, params)
    one = term.one()
    return (
        f"SELECT {one} AS v FROM {term.numbered()} WHERE {one} IS NOT NULL "  # noqa: S608 (compiled)
        "ORDER BY CASE jsonb_typeof(x.j) WHEN 'object' THEN x.j ? 'datasetId' END, x.n LIMIT 1"
    )


class _Term:
    """A path in SQL. An element is `x.j`."""

    def __init__(self, path: Path, params: Params) -> None:
        self.path, self.params, self.tests = path, params, Tests(path, params)
        last = (path.attr, *path.sub)[-1]
        self.of_text = last in SYSTEM_TIMES or (bool(path.sub) and member_of(last) is not None)
        self.whole = not (path.sub or path.member or path.lang is not None or self.of_text)

    @property
    def attr(self) -> str:
        return self.params.text(self.path.attr)

    @property
    def named(self) -> str:
        return f"{self.params.alias}.names @> ARRAY[{self.attr}]"

    @property
    def value(self) -> str:
        return f"({self.params.alias}.vals -> {self.attr})"

    @property
    def segment(self) -> str:
        row = self.params.alias
        return f"(({row}.segs[array_position({row}.names, {self.attr})])::jsonb)"

    # ---- predicates

    def exists(self) -> str:
        if self.whole:
            return self.named
        inside = self.path.member or self.path.lang is not None
        return self._among(f"{self._scalars()} IS NOT NULL" if inside else "TRUE")

    def order(self, op: str, operand: Operand) -> str:
        textual = isinstance(operand, Text)
        return self._anywhere(self.tests.ordered(op, operand), by_item=False, textual=textual)

    def equality(self, negated: bool, operand: Operand) -> str:
        by_item = not isinstance(operand, Range)
        textual = isinstance(operand, Range) and isinstance(operand.low, Text)
        test = self.tests.within(operand) if isinstance(operand, Range) else self.tests.equal(operand)
        if not negated:
            return FALSE_SQL if test is None else self._anywhere(test, by_item, textual)
        inner = self._among(f"{self._scalars()} IS NOT NULL AND NOT {self._some(test, by_item)}")
        if not self.whole:
            return inner
        met = self._known(test, textual) if test is not None else FALSE_SQL
        return f"({self.value} <> {_OTHER} AND ({met}) IS NOT TRUE OR {self.value} = {_OTHER} AND {inner})"

    def matches(self, expression: str, negated: bool) -> str:
        text, found = self.tests.is_text, self.tests.pattern(expression)
        if not negated:
            return self._anywhere(found, by_item=False, textual=True)
        inner = self._among(f"{self._some(text, False)} AND NOT {self._some(found, False)}")
        if not self.whole:
            return inner
        known = f"{self._known(text, True)} AND NOT {found(self.value)}"
        return f"({known} OR {self.value} = {_OTHER} AND {inner})"

    # ---- elements

    def _anywhere(self, test: Test, by_item: bool, textual: bool) -> str:
        """Meet a test by any element. `textual`: a Relationship could pass it and must not."""
        inner = self._among(self._some(test, by_item))
        if not self.whole:
            return inner
        return f"({self._known(test, textual)} OR {self.value} = {_OTHER} AND {inner})"

    def _known(self, test: Test, textual: bool) -> str:
        """Test the scalar in `vals`."""
        found = test(self.value)
        return f"({found} AND {_no_relationship(self.segment)})" if textual else found

    def _some(self, test: Test | None, by_item: bool) -> str:
        """Test an element: by the items of its value, or by the value itself, which no Relationship passes."""
        if test is None:
            return FALSE_SQL
        if by_item:
            return f"EXISTS (SELECT FROM jsonb_path_query({self._scalars()}, '$[*][*]') t(v) WHERE {test('t.v')})"
        found = f"EXISTS (SELECT FROM jsonb_array_elements({self._scalars()}) t(v) WHERE {test('t.v')})"
        return found if self.of_text else f"({_no_relationship('x.j')} AND {found})"

    def _among(self, condition: str) -> str:
        """Meet a condition on an element by any element of the path."""
        guard = "" if self.whole or self.path.attr in SYSTEM_TIMES else f"{self.named} AND "
        return f"({guard}EXISTS (SELECT FROM {self._elements()} WHERE {condition}))"

    def _elements(self) -> str:
        path, row = self.path, self.params.alias
        if path.attr in SYSTEM_TIMES:
            column = f"{row}.{'created_at' if path.attr == CREATED_AT else 'modified_at'}"
            form = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
            return f"(SELECT to_jsonb(to_char({column} AT TIME ZONE 'UTC', '{form}')) AS j) x"
        if path.sub and path.sub[-1] in SYSTEM_TIMES:
            return f"jsonb_path_query({row}.meta -> {self.attr}, '$.*[{SYSTEM_TIMES[path.sub[-1]]}]') x(j)"
        steps = "$[*]"
        for name in path.sub:
            member = member_of(name)
            steps += f".{json.dumps(member)}" if member else f".{json.dumps(name, ensure_ascii=False)}[*]"
        return f"jsonb_path_query({self.segment}, ({self.params.text(steps)})::jsonpath) x(j)"

    def numbered(self) -> str:
        """Return the elements in their order, as `x(j, n)`."""
        found = self._elements()
        if found.endswith(" x(j)"):
            return f"{found.removesuffix(' x(j)')} WITH ORDINALITY x(j, n)"
        return f"(SELECT x.j, 1 AS n FROM {found}) x"  # noqa: S608 (compiled)

    def one(self) -> str:
        """Return the element's value whole, a time as `{"@value": ..}`; NULL if there is none."""
        if self.of_text:
            return "jsonb_build_object('@value', x.j)"
        path = self.path
        names = VALUE_MEMBERS[:2] if path.member else (*VALUE_MEMBERS, "objectList")
        found = "COALESCE(" + ", ".join(f"x.j -> '{name}'" for name in names) + ")"
        for name in path.member:
            found += f" -> {self.params.text(name)}"
        entries = "x.j -> 'languageMap'"
        if path.lang is not None and path.lang != "*":
            entries += f" -> {self.params.text(path.lang)}"
            found = found if path.member else "NULL"
        elif path.member:
            entries = "NULL"
        return f"(CASE WHEN (x.j -> 'languageMap') IS NOT NULL THEN {entries} ELSE {found} END)"

    def _scalars(self) -> str:
        """Return the element's value as an array of one, or of a languageMap's entries; NULL if there is none."""
        if self.of_text:
            return "jsonb_build_array(x.j)"
        lang, member = self.path.lang, self.path.member
        if lang is not None and lang != "*":
            entries = _array_of(f"x.j -> 'languageMap' -> {self.params.text(lang)}")
        elif member and lang is None:
            entries = "NULL"
        else:
            entries = "jsonb_path_query_array(x.j, '$.languageMap.*')"
        return f"CASE WHEN (x.j -> 'languageMap') IS NOT NULL THEN {entries} ELSE {self._other_value()} END"

    def _other_value(self) -> str:
        if self.path.lang is not None and not self.path.member:
            return "NULL::jsonb"
        names = VALUE_MEMBERS[:2] if self.path.member else VALUE_MEMBERS
        found = "COALESCE(" + ", ".join(f"x.j -> '{name}'" for name in names) + ")"
        for name in self.path.member:
            found += f" -> {self.params.text(name)}"
        value = _array_of(f"COALESCE({found} -> '@value', {found})")
        objects = _array_of("jsonb_path_query_array(x.j, '$.objectList[*].object')")
        if self.path.member:
            objects = "NULL"
        return f"CASE WHEN (x.j -> 'objectList') IS NOT NULL THEN {objects} ELSE {value} END"


def _no_relationship(instance: str) -> str:
    """Test an instance. The planner takes `IS NULL` for rare and would think the elements dear to search."""
    return f"NOT {instance} ? 'object' AND NOT {instance} ? 'objectList'"


def _array_of(value: str) -> str:
    """Wrap a value in an array; NULL stays NULL."""
    return f"jsonb_insert('[]', '{{0}}', {value})"
