"""Joined rows are written as whole rows are."""

from __future__ import annotations

import random
from typing import Any

import orjson

from broker.core import segments
from broker.core.access import ALL, AttrSet
from broker.core.narrow import AttrMask
from broker.core.project import EVERYTHING
from broker.http.render import Show, entities, entity, parsed, writer
from broker.ld.active import Active
from broker.ops.entities import joined
from broker.ops.view import SEPARATOR, Joined

NS = "https://example.org/100%s/%d"
VALUES: list[Any] = [1, "a b", " ", "\x1f \x00", "é%s\\", {NS + "k": 1}, ["x", " y"], None, 1.5, True]


def row(number: int, chance: random.Random, mask: AttrMask) -> Joined:
    doc: dict[str, Any] = {"id": f"urn:x:%s{number}é", "type": [NS + "T", NS + "U"][: 1 + number % 2]}
    for name in "abcde"[: chance.randint(0, 5)]:
        doc[NS + name] = {"type": "Property", "value": chance.choice(VALUES)}
        if chance.random() < 0.1:
            doc[NS + name][NS + "sub"] = {"type": "Property", "value": 1}
    scopes = chance.choice([None, None, None, [], ["/a"], ["/a", "/b"]])
    made = segments.segments(doc)
    return Joined(
        doc["id"], SEPARATOR.join(doc["type"]), scopes, SEPARATOR.join(made.names), SEPARATOR.join(made.segs), mask
    )


def test_joined_rows_are_written_as_whole_rows() -> None:
    active, chance = Active(), random.Random(3)  # noqa: S311 - data, no secrets
    some = AttrSet(frozenset({NS + "a", NS + "d"}))
    masks = [
        AttrMask(ALL, True),
        AttrMask(some, False),
        AttrMask(AttrSet(), False),
        AttrMask(AttrSet(some.names, True), False),
    ]
    rows = [row(number, chance, chance.choice(masks)) for number in range(2000)]
    texts = []
    for one in rows:
        view = one.view()
        expected = writer(active).text(view.id, view.types, view.scopes, view.names, view.segs, view.mask)
        assert writer(active).joined(orjson.dumps(one.id).decode(), one) == expected
        assert entity(one, active, Show()) == expected
        assert orjson.loads(expected) == orjson.loads(parsed(view, active, Show()))
        texts.append(expected)
    assert entities(rows, active, Show()) == texts
    assert entities(rows, active, Show(EVERYTHING, "concise")) == [
        entity(one, active, Show(EVERYTHING, "concise")) for one in rows
    ]


def stored(number: int, chance: random.Random, attributes: int, odd: str) -> tuple[Any, ...]:
    """A row as a page reads it; `odd`: what its first attribute, or it, has that others do not."""
    doc: dict[str, Any] = {"id": f'urn:x:","{number}é', "type": [NS + "T"]}
    for name in "abc"[:attributes]:
        doc[NS + name] = {"type": "Property", "value": chance.choice(["a b", " ", 1, "\x1f"])}
    if attributes and odd == "named":
        doc[NS + "a"][NS + "sub"] = {"type": "Property", "value": 1}
    if attributes and odd == "over":
        doc[NS + "a"]["expiresAt"] = "2020-01-01T00:00:00Z"
    made = segments.segments(doc)
    scopes = ["/a"] if odd == "scoped" else None
    return doc["id"], NS + "T", scopes, SEPARATOR.join(made.names), SEPARATOR.join(made.segs)


def test_neighbours_of_one_shape_are_written_as_each_alone() -> None:
    active, chance = Active(), random.Random(5)  # noqa: S311 - data, no secrets
    masks = [AttrMask(ALL, True), AttrMask(AttrSet(frozenset({NS + "b"})), False), AttrMask(AttrSet(), False)]
    together = 0
    for _ in range(300):
        rows: list[tuple[Any, ...]] = []
        seen: list[AttrMask] = []
        while len(rows) < 40:
            run = chance.choice([1, 2, 3, 10])
            attributes, mask = chance.randint(0, 3), chance.choice(masks)
            odd = [
                chance.choice(["", "", "named", "over", "scoped"]) if chance.random() < 0.05 else "" for _ in range(run)
            ]
            rows += [stored(len(rows) + place, chance, attributes, one) for place, one in enumerate(odd)]
            seen += [mask] * run
        alone = [
            writer(active).joined(orjson.dumps(row[0]).decode(), joined(row, mask, ""))
            for row, mask in zip(rows, seen, strict=True)
        ]
        usual = chance.choice(rows)[3]
        read = [(*row[:3], None, row[4]) if row[3] == usual else row for row in rows]
        texts = writer(active).page(read, seen, usual)
        assert ",".join(texts) == ",".join(alone)
        assert writer(active).rows(read, seen, usual) == alone
        together += len(alone) - len(texts)
    assert 3000 < together < 12_000
    assert writer(active).page([], [], "") == []
