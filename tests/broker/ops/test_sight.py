"""Masks from joined rows are those from whole rows, whatever the filters look at."""

from __future__ import annotations

import random
from typing import Any

import pytest

from broker.core import segments
from broker.core.access import ALL, Access, AttrSet, Grant, Prohibition
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.query import And, AnyAttr, IdIn, Node, Not, Or, ScopeIs
from broker.ops.sight import Sight
from broker.ops.view import SEPARATOR

NS = "https://example.org/"
LOCATION = "https://uri.etsi.org/ngsi-ld/location"


def expand(name: str) -> str:
    return LOCATION if name == "location" else NS + name


def area() -> Node:
    found = parse_geo("within", "Polygon", "[[[0,0],[5,0],[5,5],[0,5],[0,0]]]", None, expand)
    assert found is not None
    return found


FILTERS = [
    (parse_q("a>5", expand),),
    (parse_q('a>5;b=="x"', expand), Or((Not(parse_q("c", expand)), parse_q("a<2", expand)))),
    (area(), parse_q("a", expand)),
    (And((area(), parse_q('b!="y"', expand))),),
    (AnyAttr((NS + "c", NS + "d")),),
    (IdIn(("urn:x:1", "urn:x:3")), parse_q("a>3", expand)),
    (ScopeIs("/s"),),
    (parse_q("a[k]>5", expand), parse_q("b.c==1", expand)),
]


def entity(number: int, chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"urn:x:{number}",
        "type": sorted(chance.sample([NS + "T", NS + "U"], 1 + number % 2)),
    }
    values: dict[str, list[Any]] = {
        "a": [1, 4, 6, 9, {NS + "k": 7}],
        "b": ["x", "y", "z"],
        "c": [True],
        "d": ["q" * 300],
    }
    for name, given in values.items():
        if chance.random() < 0.7:
            found[NS + name] = {"type": "Property", "value": chance.choice(given)}
    if NS + "b" in found and chance.random() < 0.5:
        found[NS + "b"][NS + "c"] = {"type": "Property", "value": 1}
    if chance.random() < 0.7:
        point = {"type": "Point", "coordinates": [chance.randint(0, 9), chance.randint(0, 9)]}
        found[LOCATION] = {"type": "GeoProperty", "value": point}
    if chance.random() < 0.3:
        found["scope"] = ["/s"]
    return found


@pytest.mark.parametrize("filters", FILTERS)
def test_joined_rows_have_the_masks_of_whole_rows(filters: tuple[Node, ...]) -> None:
    chance = random.Random(7)  # noqa: S311 - data, no secrets
    sets = [AttrSet(frozenset({NS + "a", LOCATION})), AttrSet(frozenset({NS + "b"}), True), ALL]
    grants = [
        Grant("urn:g", 1, chance.choice([None, frozenset({NS + "T"})]), sets[n % 3], node)
        for n, node in enumerate(filters)
    ]
    access = Access(
        (*grants, Grant("urn:u", 1, frozenset({NS + "U"}), sets[1])), (Prohibition(None, sets[0], filters[0]),)
    )
    sight, whole = Sight(access), Sight(access)
    masks = set()
    for number in range(300):
        doc = entity(number % 7, chance)
        row = segments.segments(doc)
        args = doc["id"], doc["type"], doc.get("scope"), row.names, row.segs
        joined = SEPARATOR.join(doc["type"]), doc.get("scope"), SEPARATOR.join(row.names), SEPARATOR.join(row.segs)
        expected = whole.mask(*args)
        assert sight.mask_joined(doc["id"], *joined) == expected, doc
        masks.add(expected)
    assert len(masks) > 1
