"""Every kind of attribute in every temporal representation (CIM 009 V1.9.1, 4.5.7 to 4.5.9, 4.5.19, 6.3.12)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_5_7_3_retrieve_evolution import bare
from tests.fixtures.broker import Answer, Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
URN = "urn:ngsi-ld:Vehicle:kinds"
PATH = f"/temporal/entities/{URN}"
TIMES = ("2026-01-01T10:00:00Z", "2026-01-01T11:30:00Z")
POINTS = ({"type": "Point", "coordinates": [1, 2]}, {"type": "LineString", "coordinates": [[1, 2], [3, 4.5]]})
KINDS: dict[str, tuple[str, str, tuple[Any, Any]]] = {
    "name": ("Property", "value", ("Joe", "Bill")),
    "size": ("Property", "value", (2, 4)),
    "open": ("Property", "value", (True, False)),
    "address": ("Property", "value", ({"street": "A", "floors": [1, {"flat": 2}]}, {"street": "B"})),
    "readings": ("Property", "value", ([1, 2, 3], [4])),
    "location": ("GeoProperty", "value", POINTS),
    "owner": ("Relationship", "object", ("urn:x:1", "urn:x:2")),
    "devices": ("Relationship", "object", (["urn:x:1", "urn:x:2"], ["urn:x:2", "urn:x:3"])),
    "says": ("LanguageProperty", "languageMap", ({"en": "yes", "fr": "oui"}, {"en": "no", "fr": ["non", "nenni"]})),
    "gender": ("VocabProperty", "vocab", ("Male", "Female")),
    "colours": ("VocabProperty", "vocab", (["red", "green"], ["red", "blue"])),
    "tickets": ("JsonProperty", "json", ([{"id": "85a6", "n": None}], {"id": {"@value": 1}})),
    "period": ("ListProperty", "valueList", (["First", 2, [3, "4th"]], ["1st"])),
    "present": (
        "ListRelationship",
        "objectList",
        ([{"object": "urn:x:A"}, {"object": "urn:x:B"}], [{"object": "urn:x:B"}]),
    ),
}
WRAPPED = ("languageMap", "vocab", "json")


def normalized(name: str) -> list[dict[str, Any]]:
    kind, member, values = KINDS[name]
    return [{"type": kind, member: value, "observedAt": at} for value, at in zip(values, TIMES, strict=True)]


def concise(name: str) -> list[dict[str, Any]]:
    return [{key: item for key, item in one.items() if key != "type"} for one in normalized(name)]


def values(name: str) -> dict[str, Any]:
    """What 4.5.9 has for the kind: pairs of value and time, some of the values wrapped, of lists the bare items."""
    kind, member, both = KINDS[name]

    def one(value: Any) -> Any:
        if member in WRAPPED:
            return {member: value}
        return [item["object"] for item in value] if member == "objectList" else value

    return {"type": kind, f"{member}s": [[one(value), at] for value, at in zip(both, TIMES, strict=True)]}


@pytest.fixture(params=["normalized", "concise"])
async def evolving(api: Api, request: pytest.FixtureRequest) -> Api:
    """An entity with two instances of every kind, sent in either form."""
    made = normalized if request.param == "normalized" else concise
    body = {"id": URN, "type": "Vehicle", **{name: made(name) for name in KINDS}}
    answer = await api.post("/temporal/entities", body)
    assert answer.status == 201, answer.body
    return api


def ok(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return answer.json


async def test_normalized(evolving: Api) -> None:
    expected = {"id": URN, "type": "Vehicle", **{name: normalized(name) for name in KINDS}}
    assert bare(ok(await evolving.get(PATH))) == expected
    query = "/temporal/entities?type=Vehicle&timerel=after&timeAt=2026-01-01T00:00:00Z"
    assert [bare(one) for one in ok(await evolving.get(query))] == [expected]


async def test_temporal_values(evolving: Api) -> None:
    expected = {"id": URN, "type": "Vehicle", **{name: values(name) for name in KINDS}}
    for asked in ("format=temporalValues", "options=temporalValues"):
        assert ok(await evolving.get(f"{PATH}?{asked}")) == expected
    last = ok(await evolving.get(f"{PATH}?format=temporalValues&lastN=1"))
    for name in KINDS:
        whole = values(name)
        (member,) = whole.keys() - {"type"}
        assert last[name] == {"type": whole["type"], member: whole[member][1:]}


async def test_temporal_values_in_one_language(evolving: Api) -> None:
    """With `lang` a LanguageProperty is a Property in that language (4.15), in each instance."""
    shown = ok(await evolving.get(f"{PATH}?format=temporalValues&lang=fr&attrs=says"))["says"]
    assert (shown["type"], [pair[0] for pair in shown["values"]]) == ("Property", ["oui", ["non", "nenni"]])


_HOURS = (("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"), ("2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"))
_AGGREGATES: dict[str, dict[str, tuple[Any, Any]]] = {
    "name": {"max": ("Joe", "Bill"), "min": ("Joe", "Bill")},
    "size": {"avg": (2.0, 4.0), "max": (2, 4), "min": (2, 4), "stddev": (0.0, 0.0), "sum": (2, 4), "sumsq": (4, 16)},
    "open": {"avg": (1.0, 0.0), "max": (1, 0), "min": (1, 0), "stddev": (0.0, 0.0), "sum": (1, 0), "sumsq": (1, 0)},
    "address": {},
    "readings": {"avg": (3.0, 1.0), "max": (3, 1), "min": (3, 1), "sum": (3, 1)},
    "location": {},
    "owner": {},
    "says": {},
    "gender": {},
    "tickets": {},
    "period": {"avg": (3.0, 1.0), "max": (3, 1), "min": (3, 1), "sum": (3, 1)},
    "present": {},
}
"""By Tables 4.5.19.1-1 to -3 (a valueList is an array); distinctCount and totalCount, which are for all, apart."""


@pytest.mark.parametrize("name", list(_AGGREGATES))
async def test_aggregated_values(evolving: Api, name: str) -> None:
    """What a method gives for the kind of value; where it gives nothing, the request is refused (5.7.3.4)."""
    kind = KINDS[name][0]
    path = f"{PATH}?format=aggregatedValues&aggrPeriodDuration=PT1H&attrs={name}&timerel=after&timeAt={TIMES[0]}"
    counts = ok(await evolving.get(f"{path}&aggrMethods=distinctCount,totalCount"))[name]
    both = [[1, *hour] for hour in _HOURS]
    assert counts == {"type": kind, "distinctCount": both, "totalCount": both}
    for method in ("avg", "max", "min", "stddev", "sum", "sumsq"):
        answer = await evolving.get(f"{path}&aggrMethods={method}")
        expected = _AGGREGATES[name].get(method)
        if expected is None:
            assert (answer.status, answer.json["type"]) == (400, ERRORS + "InvalidRequest"), (method, answer.body)
            continue
        spans = [[value, *hour] for value, hour in zip(expected, _HOURS, strict=True)]
        assert ok(answer)[name] == {"type": kind, method: spans}, method


@pytest.mark.parametrize("asked", ["format=concise", "options=concise", "format=keyValues", "format=aggregatedValue"])
async def test_there_is_no_other_form(api: Api, asked: str) -> None:
    """6.3.12 has temporalValues and aggregatedValues; the forms of 6.3.7 are for entities as they are."""
    await api.post("/temporal/entities", {"id": URN, "type": "Vehicle", "name": normalized("name")})
    answer = await api.get(f"{PATH}?{asked}")
    assert answer.status == 400, answer.body
