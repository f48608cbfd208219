"""Tests of one JSON value in SQL, by the rules of `broker.core.terms`; each can use an index on the value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeAlias

from broker.core.pattern import pattern
from broker.core.query import Boolean, DateTimeLiteral, ListOf, Literal_, Number, Operand, Path, Range, Text, Uri
from broker.core.terms import FORMS, canonical, comparable, equals, json_of
from broker.store.compile_params import Params

__all__ = ["FALSE_SQL", "Test", "Tests"]

Test: TypeAlias = Callable[[str], str]
"""Makes the SQL of a test from the SQL of the jsonb value. The outcome may be NULL where the value is."""

FALSE_SQL: Final = "FALSE"
# No double is less, so it parts strings from numbers.
_LEAST_NUMBER: Final = "'-1e309'::jsonb"
_WHOLE: Final = {"dateTime": 19, "date": 10, "time": 8}


class Tests:
    """The tests that the terms on a path need."""

    def __init__(self, path: Path, params: Params) -> None:
        self.path, self.params = path, params

    def is_text(self, value: str) -> str:
        """Test for a string."""
        return f"jsonb_typeof({value}) = 'string'"

    def pattern(self, expression: str) -> Test:
        """Test for a string that the regular expression is found in."""
        ere = self.params.text(pattern(expression).ere)
        return lambda value: f"({self.is_text(value)} AND {_text(value)} ~ {ere})"

    def equal(self, operand: Literal_ | ListOf) -> Test | None:
        """Test for equality with a literal or one of a list; None if nothing can equal it."""
        wanted = equals(self.path, operand)
        tests: list[Test] = []
        if len(wanted.plain) == 1:
            one = self.params.json(wanted.plain[0])
            tests.append(lambda value: f"{value} = {one}")
        elif wanted.plain:
            any_of = self.params.jsons(wanted.plain)
            tests.append(lambda value: f"{value} = ANY({any_of})")
        for kind, texts in wanted.temporal.items():
            tests.extend(self._between_instants(kind, text, text) for text in texts)
        return (lambda value: f"({' OR '.join(test(value) for test in tests)})") if tests else None

    def within(self, operand: Range) -> Test | None:
        """Test for lying in the range; None if nothing can."""
        low, high = operand.low, operand.high
        if not comparable(self.path, operand):
            return None
        if isinstance(low, DateTimeLiteral) and isinstance(high, DateTimeLiteral):
            ends = canonical(low.kind, low.value), canonical(high.kind, high.value)
            return None if None in ends else self._between_instants(low.kind, str(ends[0]), str(ends[1]))
        first, last = self._json(low), self._json(high)
        return lambda value: f"({value} >= {first} AND {value} <= {last})"

    def ordered(self, op: str, operand: Operand) -> Test:
        """Test for an order comparison that `terms.comparable` allows."""
        up = op in (">", ">=")
        if isinstance(operand, DateTimeLiteral):
            return self._beyond_instant(op, operand)
        limit = self._json(operand)
        if isinstance(operand, Number):
            rest = "< 'false'::jsonb" if up else f"> {_LEAST_NUMBER}"
        else:
            rest = f"< {_LEAST_NUMBER}" if up else "> 'null'::jsonb"
        return lambda value: f"({value} {op} {limit} AND {value} {rest})"

    def _json(self, literal: object) -> str:
        if not isinstance(literal, Number | Text | Boolean | Uri):
            raise TypeError(f"{literal!r} has no JSON form")
        return self.params.json(json_of(literal))

    # ---- instants: first the strings around them, which an index finds, then the exact order

    def _beyond_instant(self, op: str, literal: DateTimeLiteral) -> Test:
        text = canonical(literal.kind, literal.value)
        if text is None:
            return lambda _: FALSE_SQL
        limit, kind = self.params.text(text), literal.kind
        up = op in (">", ">=")
        bound = self._second(kind, text, "" if up else "~")
        near = f">= {bound}" if up else f"<= {bound}"
        rest = f"< {_LEAST_NUMBER}" if up else "> 'null'::jsonb"
        return lambda value: f"({value} {near} AND {value} {rest} AND {_instant(kind, value)} {op} {limit})"

    def _between_instants(self, kind: str, low: str, high: str) -> Test:
        first, last = self._second(kind, low, ""), self._second(kind, high, "~")
        least, most = self.params.text(low), self.params.text(high)
        return lambda value: (
            f"({value} >= {first} AND {value} <= {last} "
            f"AND {_instant(kind, value)} >= {least} AND {_instant(kind, value)} <= {most})"
        )

    def _second(self, kind: str, text: str, end: str) -> str:
        """Return the string of the instant's whole second, or one after all texts of that second."""
        return self.params.json(json.dumps(text[: _WHOLE[kind]] + end))


def _text(value: str) -> str:
    return f"({value} #>> '{{}}') COLLATE \"C\""


def _instant(kind: str, value: str) -> str:
    """Return what orders the instants of strings of a form, NULL for others (see `terms.canonical`)."""
    text, whole = _text(value), _WHOLE[kind]
    found = text
    if kind != "date":
        found = f"left({text}, {whole}) || rpad(translate(substr({text}, {whole + 1}), '.,Z', ''), 6, '0')"
    return f"(CASE WHEN {text} ~ '{FORMS[kind]}' THEN {found} END) COLLATE \"C\""
