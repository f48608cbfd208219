"""Compiled expressions mean what JMESPath's own interpreter says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import FeedError, Rejected
from connectors.expression import compile_expression, interpreted

NAMES = st.sampled_from(["a", "b", "c", '"d e"'])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "1.5", "2026-01-01T00:00:00Z"])
RECORDS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "d e"]), inner)
)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, NAMES).map(lambda both: f"({both[0]}).{both[1]}" if " " in both[0] else ".".join(both)),
        pair.map(lambda both: f"({both[0]} || {both[1]})"),
        pair.map(lambda both: f"({both[0]} && {both[1]})"),
        pair.map(lambda both: f"({both[0]} == {both[1]})"),
        pair.map(lambda both: f"({both[0]} < {both[1]})"),
        inner.map(lambda one: f"!({one})"),
        inner.map(lambda one: f"({one})[0]"),
        inner.map(lambda one: f"({one})[-1]"),
        inner.map(lambda one: f"({one}) | @"),
        inner.map(lambda one: f"to_string({one})"),
        pair.map(lambda both: f"concat({both[0]}, {both[1]})"),
        pair.map(lambda both: f"urn('T', {both[0]}, {both[1]})"),
        pair.map(lambda both: f"[{both[0]}, {both[1]}]"),
        inner.map(lambda one: f"({one})[*].a"),
        inner.map(lambda one: f"length({one})"),
        inner.map(lambda one: f"number({one})"),
    )


EXPRESSIONS = st.recursive(
    NAMES | st.sampled_from(["@", "`1`", "'x'", "`null`", '`{"a": 1}`']), _compound, max_leaves=6
)


def _outcome(run: Any, record: Any) -> Any:
    try:
        return "value", run(record)
    except Rejected:
        return "rejected", None
    except Exception as error:
        if type(error).__module__.startswith("jmespath"):
            return "rejected", None
        return "raised", type(error)


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, RECORDS)
def test_compiled_equals_interpreted(text: str, record: Any) -> None:
    assert _outcome(compile_expression(text, "test"), record) == _outcome(interpreted(text), record)


def test_tables_are_literals() -> None:
    tables = {"devices": {"x`1": {"lat": 1.5}}}
    assert compile_expression("lookup(id, $devices).lat", "t", tables)({"id": "x`1"}) == 1.5
    assert compile_expression("lookup(id, $devices).lat", "t", tables)({"id": "other"}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.", "is no JMESPath expression"),
        ("nope(a)", "calls nope(), which does not exist"),
        ("point(a)", "calls point() with 1 arguments"),
        ("lookup(a, $gone)", "names $gone, which is not under tables"),
        ("concat(a, nope(b))", "calls nope(), which does not exist"),
    ],
)
def test_wrong_expressions_are_named(text: str, said: str) -> None:
    with pytest.raises(FeedError) as caught:
        compile_expression(text, "feed x: mapping.0.id", {})
    assert said in str(caught.value)
    assert str(caught.value).startswith("feed x: mapping.0.id: ")
