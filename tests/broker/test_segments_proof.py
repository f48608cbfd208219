"""The layout by segments against the parse way: equal bytes on 10,000 random entities, and what it costs.

Every entity goes through its row (names and segments) and is shown under random masks, picks, omits and attrs: put
together from segments, and the long way: parsed, masked, projected, compacted and dumped again.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator

import orjson
import pytest

from broker.core import segments
from broker.core.access import AttrSet
from broker.core.entity import ENTITY_MEMBERS, Doc
from broker.core.errors import BadRequestData
from broker.core.narrow import AttrMask
from broker.core.project import EVERYTHING, Projection
from broker.http.render import Show, entity, parsed, writer
from broker.ld.active import Active
from broker.ld.internal import accept, to_external
from broker.ops.view import View
from tests.bench.buses import vehicle
from tests.strategies.entities import CONTEXT, Maker

COUNT = 10_000
ALL = AttrMask(AttrSet(complement=True), True)


def documents(count: int, active: Active) -> Iterator[tuple[int, Doc]]:
    """Random entities that the checks accept (the generator also makes some with a null inside), with their seeds."""
    made = 0
    for seed in itertools.count():
        if made == count:
            return
        try:
            doc = accept(Maker(seed).entity(), active)
        except BadRequestData:
            continue
        made += 1
        yield seed, doc


def view(doc: Doc, mask: AttrMask) -> View:
    row = segments.segments(doc)
    return View(doc["id"], doc["type"], doc.get("scope"), row.names, row.segs, mask)


def random_mask(chance: random.Random, names: list[str]) -> AttrMask:
    if chance.random() < 0.3:
        return ALL
    some = frozenset(name for name in names if chance.random() < 0.5)
    return AttrMask(AttrSet(some, complement=chance.random() < 0.5), False)


def random_projection(chance: random.Random, names: list[str]) -> Projection:
    if chance.random() < 0.3:
        return EVERYTHING
    members = ["id", "type", "scope", *names]
    pick = frozenset(one for one in members if chance.random() < 0.6) if chance.random() < 0.5 else None
    omit = frozenset(one for one in members if chance.random() < 0.2)
    attrs = frozenset(one for one in names if chance.random() < 0.5) if chance.random() < 0.3 else None
    return Projection(pick, omit, attrs)


@pytest.mark.timeout(240)
def test_segments_equal_the_parse_way_on_random_entities(capsys: pytest.CaptureFixture[str]) -> None:
    user, core = Active([CONTEXT], "https://example.org/context.jsonld"), Active()
    direct = total = 0
    spent = Spent()
    for seed, doc in documents(COUNT, user):
        chance = random.Random(seed)  # noqa: S311 - choices, no secrets
        names = [name for name in doc if name not in ENTITY_MEMBERS]
        row = view(doc, random_mask(chance, names))
        show = Show(random_projection(chance, names))
        fast, slow = spent.both(row, user if chance.random() < 0.5 else core, show)
        assert fast == slow, f"seed {seed}"
        assert show.plain
        direct += sum(seg[0] != " " for seg in row.segs)
        total += len(row.segs)
    with capsys.disabled():
        print(f"\n{spent.said('random entities')}; {direct / total:.0%} of {total} segments go out as they are")  # noqa: T201


def test_segments_pay_on_entities_as_feeds_make_them(capsys: pytest.CaptureFixture[str]) -> None:
    """A bus of twelve attributes, none with names of its own inside, under a mask: the case that pages are made of."""
    core, chance, spent = Active(), random.Random(7), Spent()  # noqa: S311 - choices, no secrets
    for number in range(3000):
        doc = vehicle(number, chance)
        names = [name for name in doc if name not in ENTITY_MEMBERS]
        fast, slow = spent.both(view(doc, random_mask(chance, names)), core, Show(EVERYTHING))
        assert fast == slow
    with capsys.disabled():
        print(f"\n{spent.said('buses')}")  # noqa: T201 - the measurement belongs into the run's record
    assert spent.by_segments < spent.by_parsing


class Spent:
    """CPU time of both ways, which neighbours on the machine do not change."""

    def __init__(self) -> None:
        self.by_segments = self.by_parsing = 0.0
        self.count = 0

    def both(self, row: View, active: Active, show: Show) -> tuple[str, str]:
        began = time.process_time()
        fast = entity(row, active, show)
        middle = time.process_time()
        slow = parsed(row, active, show)
        self.by_parsing += time.process_time() - middle
        self.by_segments += middle - began
        self.count += 1
        return fast, slow

    def said(self, what: str) -> str:
        each = 1e6 / self.count
        return (
            f"{self.count} {what}: by segments {self.by_segments * each:.1f} us, by parsing "
            f"{self.by_parsing * each:.1f} us ({self.by_parsing / self.by_segments:.1f}x)"
        )


def test_a_row_gives_back_the_document_it_came_from() -> None:
    user = Active([CONTEXT])
    for _, doc in documents(1000, user):
        row = segments.segments(doc)
        again = segments.doc(doc["id"], doc["type"], doc.get("scope"), row.names, row.segs)
        assert again == {key: value for key, value in doc.items() if key != "expiresAt"}


def test_the_whole_entity_reads_as_it_was_sent() -> None:
    """Without mask and projection the segments are the normalized entity under its own @context."""
    user = Active([CONTEXT])
    for _, doc in documents(500, user):
        row = segments.segments(doc)
        text = writer(user).text(doc["id"], doc["type"], doc.get("scope"), row.names, row.segs, ALL)
        shown = {key: value for key, value in doc.items() if key != "expiresAt"}
        assert orjson.loads(text) == to_external(shown, user)
