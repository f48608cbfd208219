"""Orderings in SQL against an oracle in Python: sorting by the paragraph of 4.23.2, with ICU's order asked of ICU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cmp_to_key
from random import Random
from typing import Any

import pytest

from broker.core.entity import Doc
from broker.core.match import matches
from broker.core.query import TRUE, Exists, Node, Order, Path, TypeIs
from broker.core.terms import canonical
from broker.store.compile_order import compile_order
from tests.broker.store.table import Table
from tests.fixtures.postgres import Database
from tests.strategies.queries import ATTRS, NS, QueryMaker, linked

_VALUES = ("value", "json", "vocab", "object", "valueList", "objectList", "languageMap")
_TYPES = {int: 0, float: 0, str: 1, dict: 2, list: 3, bool: 4}


@pytest.fixture(scope="module")
def table(pg_module: Database) -> Iterator[Table]:
    made = Table(pg_module)
    yield made
    made.close()


def key_of(doc: Doc, attr: str, words: dict[str, int]) -> tuple[int, Any]:
    """The oracle: a value's rank and what orders it within; (9, 0) where there is none."""
    value = doc.get(attr)
    if value is None:
        return 9, 0
    several = value if isinstance(value, list) else [value]
    one = next((each for each in several if "datasetId" not in each), several[0])
    found: Any = next((one[name] for name in _VALUES if one.get(name) is not None), None)
    typed = isinstance(found, dict) and "@value" in found
    plain = found["@value"] if typed else found
    if plain is None:
        return 8, 0
    if typed and isinstance(plain, str):
        for rank, kind in ((7, "dateTime"), (6, "date"), (5, "time")):
            text = canonical(kind, plain)
            if text is not None:
                return rank, text
    rank = _TYPES[type(plain)]
    return rank, words[plain] if rank == 1 else plain if rank in (0, 4) else 0


def expected(docs: list[Doc], order: list[Order], words: dict[str, int], shown: list[list[bool]]) -> list[str]:
    def compare(one: int, other: int) -> int:
        for number, term in enumerate(order):
            assert isinstance(term.by, Path)
            first, second = (
                key_of(docs[at], term.by.attr, words) if shown[number][at] else (9, 0) for at in (one, other)
            )
            if first == second:
                continue
            last = max(first[0], second[0]) >= 8 and first[0] != second[0]
            less = -1 if first < second else 1
            return less if last or not term.descending else -less
        return -1 if docs[one]["id"] < docs[other]["id"] else 1

    return [docs[at]["id"] for at in sorted(range(len(docs)), key=cmp_to_key(compare))]


@pytest.mark.parametrize("seed", range(3))
def test_orderings_are_those_of_the_oracle(table: Table, seed: int) -> None:
    """Also where some of what is ordered by is hidden, which then counts as absent."""
    maker = QueryMaker(Random(seed))  # noqa: S311 - not for secrets
    docs = [maker.doc(number) for number in range(120)]
    metas = linked(docs, [maker.meta(doc) for doc in docs])
    table.fill(docs, metas)
    texts = {text for doc in docs for attr in ATTRS for text in _texts(doc.get(attr))}
    rows = table.run(
        table.conn.fetch('SELECT t FROM unnest($1::text[]) t ORDER BY t COLLATE "und-x-icu"', sorted(texts))
    )
    words = {row[0]: number for number, row in enumerate(rows)}
    gates: list[Node] = [TRUE, TRUE, TypeIs(NS + "Car"), Exists(Path(ATTRS[0]))]
    for _ in range(25):
        order = [
            Order(
                Path(maker.r.choice(ATTRS)),
                maker.r.random() < 0.5,
                None,
                maker.r.choice(gates),
            )
            for _ in range(maker.r.choice([1, 1, 2, 3]))
        ]
        compiled = compile_order(order)
        sql = f"SELECT e.id FROM entities AS e{compiled.joins} ORDER BY {compiled.terms}"  # noqa: S608 - compiled
        found = [row[0] for row in table.run(table.conn.fetch(sql, *compiled.params))]
        shown = [[matches(term.visible, doc, meta) for doc, meta in zip(docs, metas, strict=True)] for term in order]
        assert found == expected(docs, order, words, shown), order


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
