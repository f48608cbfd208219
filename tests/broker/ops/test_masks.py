"""The masks of a page's rows are those that its entities have in memory, whatever decides them and however many."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from broker.core.access import Access
from broker.core.match import matches
from broker.core.narrow import mask, narrow, row_filters
from broker.core.query import Query
from broker.ops.masks import RowMasks
from broker.store.pages import FLAGS, page, statement
from tests.broker.store.table import Table
from tests.fixtures.postgres import Database
from tests.strategies.queries import QueryMaker, linked


@pytest.fixture(scope="module")
def table(pg_module: Database) -> Iterator[Table]:
    made = Table(pg_module)
    yield made
    made.close()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("many", [1, 100])
def test_pages_have_the_masks_of_their_entities(table: Table, whole: bool, many: int) -> None:
    """`many`: of so many callers' grants and prohibitions at once."""
    maker = QueryMaker(Random(7 + many))  # noqa: S311 - not for secrets
    docs = [maker.doc(number) for number in range(100)]
    metas = linked(docs, [maker.meta(doc) for doc in docs])
    table.fill(docs, metas)
    kinds: set[bool] = set()
    most = rows_seen = 0
    for _ in range(60 if many == 1 else 6):
        parts = [maker.access() for _ in range(many)]
        access = Access(
            tuple(one for part in parts for one in part.grants),
            tuple(one for part in parts[:2] for one in part.prohibitions),
        )
        query = narrow(Query(maker.node(), limit=1000), access)
        masks = RowMasks(row_filters(access).among(query.where))
        found = table.run(page(table.conn, statement(query, masks.asked, short=not whole)))
        rows, seen = masks.of(found.rows, whole=whole)
        pairs = [(doc, meta) for doc, meta in zip(docs, metas, strict=True) if matches(query.where, doc, meta)]
        expected = {doc["id"]: mask(doc, access, meta) for doc, meta in pairs}
        assert {row[0]: one for row, one in zip(rows, seen, strict=True)} == expected
        assert None not in seen
        most, rows_seen = max(most, len(masks.asked)), rows_seen + len(rows)
        kinds |= {one.all for one in seen}
    assert rows_seen > 50
    assert kinds == {False, True} or many > 1
    assert (most > FLAGS) == (many > 1)
