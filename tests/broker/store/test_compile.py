"""The two evaluators of the query AST are held equal over random entities and conditions of every kind (4.9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from broker.core.entity import LOCATION
from broker.core.match import Meta, matches
from broker.core.narrow import mask, narrow, row_filters
from broker.core.query import (
    And,
    Compare,
    DateTimeLiteral,
    Exists,
    GeoRel,
    ListOf,
    Matches,
    Node,
    Not,
    Number,
    Or,
    Path,
    Query,
    Range,
    Text,
    TypeIs,
)
from broker.store.compile import compile_flag, compile_where
from broker.store.pages import statement
from tests.broker.store.table import Table
from tests.fixtures.postgres import Database
from tests.strategies.queries import NS, QueryMaker, linked, makers

META = Meta("2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z")


@pytest.fixture(scope="module")
def table(pg_module: Database) -> Iterator[Table]:
    made = Table(pg_module)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(4))
def test_sql_and_memory_find_the_same(table: Table, seed: int) -> None:
    maker = QueryMaker(Random(seed))  # noqa: S311 - not for secrets
    docs = [maker.doc(number) for number in range(200)]
    metas = linked(docs, [maker.meta(doc) for doc in docs])
    table.fill(docs, metas)
    telling = 0
    for _ in range(300):
        node: Node = maker.node()
        expected = {doc["id"] for doc, meta in zip(docs, metas, strict=True) if matches(node, doc, meta)}
        assert table.find(node) == expected, node
        telling += 0 < len(expected) < len(docs)
    assert telling > 150  # conditions that tell entities apart


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(makers)
def test_sql_and_memory_find_the_same_small(table: Table, maker: QueryMaker) -> None:
    docs = [maker.doc(number) for number in range(3)]
    metas = linked(docs, [maker.meta(doc) for doc in docs])
    table.fill(docs, metas)
    for _ in range(5):
        node = maker.node()
        expected = {doc["id"] for doc, meta in zip(docs, metas, strict=True) if matches(node, doc, meta)}
        assert table.find(node) == expected, node


@pytest.mark.parametrize("seed", range(3))
def test_governed_pages_and_masks_are_the_same_in_sql(table: Table, seed: int) -> None:
    maker = QueryMaker(Random(1000 + seed))  # noqa: S311 - not for secrets
    docs = [maker.doc(number) for number in range(100)]
    metas = linked(docs, [maker.meta(doc) for doc in docs])
    table.fill(docs, metas)
    seen = hidden = spared = lighter = 0
    for _ in range(60):
        access = maker.access()
        where = narrow(Query(maker.node()), access).where
        filters = row_filters(access)
        found = {id_: filters.mask(bits) for id_, bits in table.flags(filters.nodes, where).items()}
        pairs = [(doc, meta) for doc, meta in zip(docs, metas, strict=True) if matches(where, doc, meta)]
        assert found == {doc["id"]: mask(doc, access, meta) for doc, meta in pairs}
        fewer = filters.among(where)
        assert len(fewer.nodes) <= len(filters.nodes)
        lighter += any(isinstance(one, Or) and isinstance(one.items[0], Not) for one in fewer.nodes)
        spared += len(filters.nodes) - len(fewer.nodes)
        assert found == {id_: fewer.mask(bits) for id_, bits in table.flags(fewer.nodes, where).items()}
        seen += len(found)
        hidden += sum(1 for one in found.values() if one is not None and not one.all)
        assert None not in found.values()
    assert seen > 300
    assert hidden > 100
    assert spared > 0
    assert lighter > 0


def test_fragments_compose_and_share_parameters() -> None:
    node = And((Compare(Path("urn:a"), ">", Number(20)), Compare(Path("urn:a"), "<", Number(30))))
    first = compile_where(node, start=4, alias="x")
    assert first.params == ["20", "urn:a", "$[*]", "30"]
    assert "x.vals" in first.sql
    assert "> $4::jsonb" in first.sql
    assert "< $7::jsonb" in first.sql
    assert "$8" not in first.sql
    assert compile_where(And(())).sql == "TRUE"
    assert compile_where(Or(())).sql == "FALSE"
    assert compile_flag(TypeIs("urn:t")).sql == "(e.types && $1::text[]) IS TRUE"


def test_hostile_names_and_values_stay_parameters(table: Table) -> None:
    evil = """x') OR TRUE; DROP TABLE entities; -- " \\ $1 {0}"""
    table.fill(
        [{"id": "urn:x:1", "type": ["urn:t"], evil: {"type": "Property", "value": evil, evil: {"value": 1}}}], [META]
    )
    for path in (Path(evil), Path(evil, (evil,)), Path(evil, (), (evil,)), Path(evil, (), (evil,), evil)):
        table.find(Exists(path))
        table.find(Compare(path, "==", ListOf((Text(evil), Text("b")))))
        table.find(Compare(path, "!=", Range(Text(evil), Text(evil))))
    assert table.find(Compare(Path(evil), "==", Text(evil))) == {"urn:x:1"}
    assert table.find(Compare(Path(evil, (evil,)), "==", Number(1))) == {"urn:x:1"}
    assert table.find(TypeIs(evil)) == set()


# ---- plans


@pytest.fixture(scope="module")
def planned(table: Table) -> Table:
    """A table of 3,000 entities with indexes on two attributes, where the planner has to use an index if it can."""
    docs = [
        {
            "id": f"urn:x:{number:05}",
            "type": [NS + ("Car" if number % 10 else "Bus")],
            NS + "speed": {"type": "Property", "value": number / 10},
            NS + "name": {"type": "Property", "value": f"name {number}"},
            LOCATION: {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [number / 100, 1]}},
        }
        for number in range(3000)
    ]
    table.fill(docs, [META] * len(docs))
    for name in ("speed", "name"):
        table.run(table.conn.execute(f"CREATE INDEX hot_{name} ON entities ((vals -> '{NS}{name}'))"))
    table.run(table.conn.execute("ANALYZE entities; ANALYZE entity_type; SET enable_seqscan = off"))
    return table


NEAR = GeoRel(LOCATION, "near", json.dumps({"type": "Point", "coordinates": [5, 1]}), 3000.0)


@pytest.mark.parametrize(
    ("node", "index", "count"),
    [
        (And((TypeIs(NS + "Car"), Compare(Path(NS + "speed"), ">", Number(299)))), "hot_speed", 9),
        (Compare(Path(NS + "speed"), "==", Range(Number(1), Number(2))), "hot_speed", 11),
        (Compare(Path(NS + "speed"), "==", ListOf((Number(1), Number(2)))), "hot_speed", 2),
        (Compare(Path(NS + "name"), "==", Text("name 7")), "hot_name", 1),
        (Compare(Path(NS + "name"), ">=", Text("name 999")), "hot_name", 1),
        (Compare(Path(NS + "name"), ">", DateTimeLiteral("2026-01-01T00:00:00Z", "dateTime")), "hot_name", 0),
        (And((TypeIs(NS + "Car"), NEAR)), "entities_location", 4),
        (TypeIs(NS + "Bus"), "entity_type_pkey", 300),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_plans_use_the_index(planned: Table, node: Node, index: str, count: int) -> None:
    plan = planned.plan(node)
    assert index in plan
    assert "Seq Scan" not in plan
    assert len(planned.find(node)) == count


def test_type_page_is_walked_in_order(planned: Table) -> None:
    plan = planned.plan(TypeIs(NS + "Bus"), "ORDER BY e.id LIMIT 20")
    assert "entity_type_pkey" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_a_page_of_a_walk_reads_no_more_than_itself(planned: Table, mode: str) -> None:
    """Wherever it begins: the side table too is entered where the last page ended."""
    made = statement(Query(TypeIs(NS + "Bus"), limit=10, after="urn:x:01500"), (), short=True)
    assert [str(row[0]) for row in planned.run(planned.conn.fetch(made.sql, *made.values))] == [
        f"urn:x:{number:05}" for number in range(1510, 1620, 10)
    ]
    planned.run(planned.conn.execute(f"SET plan_cache_mode = {mode}"))
    try:
        rows = planned.run(planned.conn.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {made.sql}", *made.values))
    finally:
        planned.run(planned.conn.execute("SET plan_cache_mode = force_custom_plan"))
    read = {node["Relation Name"]: node["Actual Rows"] for node in _scans(json.loads(rows[0][0])[0]["Plan"])}
    assert read["entity_type"] == 11
    assert read["entities"] <= 120  # the table has 3,000


def test_the_count_of_a_walk_is_of_all(planned: Table) -> None:
    made = statement(Query(TypeIs(NS + "Bus"), limit=10, after="urn:x:01500", count=True), (), short=True)
    assert made.count is not None
    assert planned.run(planned.conn.fetchval(made.count[0], *made.count[1])) == 300


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the nodes of a plan that read a table."""
    if "Relation Name" in plan:
        yield plan
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)


def test_pattern_is_found_in_text_only(table: Table) -> None:
    docs = [
        {"id": f"urn:x:{number}", "type": ["urn:t"], "urn:a": {"type": "Property", "value": value}}
        for number, value in enumerate(["Bus 10", 10, ["Bus 10"], True])
    ]
    table.fill(docs, [META] * 4)
    assert table.find(Matches(Path("urn:a"), "10$")) == {"urn:x:0"}
    assert table.find(Matches(Path("urn:a"), "11$", negated=True)) == {"urn:x:0"}
