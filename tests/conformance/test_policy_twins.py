"""Twin stores: what is hidden from a caller answers as if it did not exist, byte for byte, on every read.

The reader is the researcher of the sample city: buses inside a polygon, four attributes, one purpose. Each twin differs
from the base store only in what the reader may not see.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from broker.store.write import Change, apply
from tests.fixtures.governed import DEFAULT_SCHEMA, Governed

NOW = datetime(2026, 11, 22, 6, 0, 0, 250000, UTC)
T = "https://smartdatamodels.org/dataModel.Transportation/"
VEHICLE = T + "Vehicle"
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
RESEARCH = "dpv:ScientificResearch"
LINK = '</ngsi-ld/v1/jsonldContexts/city>; rel="http://www.w3.org/ns/json-ld#context"'

LINKED = {
    number: {T + "vehicleRunningStatus": {"type": "Relationship", "object": f"urn:ngsi-ld:Vehicle:{other}"}}
    for number, other in ((7, "040"), (8, "003"))
}
"""Visible relationships: to an entity hidden in one twin and missing in the others, and to one with a secret."""


def vehicle(number: int, lon: float = -122.33, kind: str = "bus", **more: Any) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Vehicle:{number:03}",
        "type": [VEHICLE],
        T + "vehicleType": {"type": "Property", "value": kind},
        T + "speed": {"type": "Property", "value": number * 3, "unitCode": "KMH", "observedAt": "2026-11-22T05:59:00Z"},
        T + "fleetVehicleId": {"type": "Property", "value": f"F{number}"},
        LOCATION: {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, 47.61]}},
        **LINKED.get(number, {}),
        **more,
    }


def base() -> list[dict[str, Any]]:
    return [vehicle(n) for n in range(1, 9)]


def other_value() -> list[dict[str, Any]]:
    docs = base()
    docs[2][T + "fleetVehicleId"]["value"] = "SECRET"
    return docs


def without_attribute() -> list[dict[str, Any]]:
    docs = base()
    del docs[4][T + "fleetVehicleId"]
    return docs


def extra_attribute() -> list[dict[str, Any]]:
    docs = base()
    docs[5]["https://example.org/hidden"] = [
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [0, 0]}},
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [9, 9]}, "datasetId": "urn:x:1"},
    ]
    docs[7]["https://example.org/hidden"] = {
        "type": "GeoProperty",
        "value": {"type": "Polygon", "coordinates": [[[8, 8], [10, 8], [10, 10], [8, 10], [8, 8]]]},
        "datasetId": "urn:x:1",
    }
    docs[6][T + "fleetVehicleId"] = [{"type": "Property", "value": n, "datasetId": f"urn:x:{n}"} for n in range(3)]
    return docs


def entity_outside_the_area() -> list[dict[str, Any]]:
    return [vehicle(0, lon=-122.4), *base(), vehicle(50, lon=-122.1)]


def entity_of_another_kind() -> list[dict[str, Any]]:
    return [*base()[:4], vehicle(40, kind="tram"), *base()[4:], vehicle(41, kind="ferry")]


def entity_of_another_type() -> list[dict[str, Any]]:
    other = {**vehicle(42), "type": ["https://example.org/Secret"]}
    return [*base(), other]


def link(*targets: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": targets[0] if len(targets) == 1 else list(targets)}


def linked_in_secret() -> list[dict[str, Any]]:
    """Hidden Relationships that lead to visible entities, and hidden entities that lead to visible ones."""
    docs = base()
    docs[1]["https://example.org/next"] = link("urn:ngsi-ld:Vehicle:003")
    hidden: dict[str, Any] = {
        "https://example.org/next": link("urn:ngsi-ld:Vehicle:003"),
        T + "speed": link("urn:ngsi-ld:Vehicle:004"),
    }
    return [*docs, vehicle(40, kind="tram", **hidden), vehicle(50, lon=-122.1, **hidden)]


TWINS = [
    other_value,
    without_attribute,
    extra_attribute,
    entity_outside_the_area,
    entity_of_another_kind,
    entity_of_another_type,
    linked_in_secret,
]

ENTITY = "/entities/urn:ngsi-ld:Vehicle:"
PAGE = "/entities?type=Vehicle"
READS = [
    *(f"{ENTITY}{n:03}" for n in (0, 3, 5, 6, 7, 40, 42, 50)),
    f"{ENTITY}003?options=sysAttrs",
    f"{ENTITY}006?options=keyValues",
    f"{ENTITY}006?format=concise&options=sysAttrs",
    f"{ENTITY}003?attrs=fleetVehicleId",
    f"{ENTITY}005?attrs=fleetVehicleId,speed",
    f"{ENTITY}003?pick=id,fleetVehicleId",
    f"{ENTITY}007?omit=speed",
    f"{ENTITY}007?datasetId=urn:x:1",
    PAGE,
    PAGE + "&count=true",
    PAGE + "&count=true&limit=0",
    PAGE + "&limit=3&offset=3&count=true",
    PAGE + "&limit=3&after=urn:ngsi-ld:Vehicle:003",
    PAGE + "&options=sysAttrs",
    PAGE + "&options=keyValues",
    PAGE + "&attrs=fleetVehicleId&count=true",
    PAGE + "&pick=id,fleetVehicleId",
    PAGE + '&q=fleetVehicleId=="SECRET"&count=true',
    PAGE + '&q=fleetVehicleId!="SECRET"&count=true',
    PAGE + "&q=fleetVehicleId&count=true",
    PAGE + "&q=fleetVehicleId~=SEC&count=true",
    PAGE + '&q=speed>9;fleetVehicleId!="F5"&count=true',
    PAGE + '&q=speed>9|fleetVehicleId=="SECRET"&count=true',
    PAGE + "&q=speed>9&count=true",
    PAGE + '&q=vehicleType=="tram"&count=true',
    PAGE + "&q=modifiedAt>2026-01-01T00:00:00Z&count=true",
    PAGE + "&q=modifiedAt>2026-11-22T06:00:30Z&count=true",
    PAGE + "&idPattern=.*:04.*&count=true",
    PAGE + "&id=urn:ngsi-ld:Vehicle:040,urn:ngsi-ld:Vehicle:003&count=true",
    PAGE + "&georel=near;maxDistance==100000&geometry=Point&coordinates=[-122.33,47.61]&count=true",
    PAGE
    + "&georel=near;maxDistance==1&geometry=Point&coordinates=[0,0]&geoproperty=https://example.org/hidden&count=true",
    *(
        f"{PAGE}&orderBy={order}&count=true"
        for order in (
            "fleetVehicleId",
            "fleetVehicleId;desc",
            "vehicleType;desc,speed;desc",
            "fleetVehicleId.modifiedAt;desc",
            "modifiedAt;desc",
            "speed;desc",
            "id;desc&limit=3",
            "<https://example.org/hidden>;dist-asc&orderFrom=[0,0]",
            "location;dist-desc&orderFrom=[-122.33,47.61]",
        )
    ),
    *(
        f"{PAGE}&join={form}&count=true{more}"
        for form in ("inline", "flat")
        for more in (
            "",
            "&joinLevel=3",
            "&q=<https://example.org/next>{speed}",
            "&q=<https://example.org/next>{fleetVehicleId}",
            "&pick=https://example.org/next{speed}",
        )
    ),
    f"{ENTITY}002?join=inline",
    f"{ENTITY}002?join=flat&joinLevel=2",
    "/entities?type=*&local=true&count=true",
    "/entities?type=https:%2F%2Fexample.org%2FSecret&count=true",
    "/entities?local=true&count=true&scopeQ=/%23",
    "/entities?attrs=fleetVehicleId&count=true",
    "/entities?q=speed<100&count=true",
    "/types",
    "/types?details=true",
    "/types/Vehicle",
    "/types/https:%2F%2Fexample.org%2FSecret",
    "/attributes",
    "/attributes?details=true",
    "/attributes/speed",
    "/attributes/fleetVehicleId",
    "/attributes/https:%2F%2Fexample.org%2Fhidden",
]
_PERIOD = "timerel=before&timeAt=2027-01-01T00:00:00Z"
_HOURS = "&format=aggregatedValues&aggrMethods=max,totalCount&aggrPeriodDuration=PT1H"
READS += [
    *(f"{PAGE}&orderBy={name}&count=true" for name in ("speed", "speed;desc", "fleetVehicleId", "fleetVehicleId;desc")),
    PAGE + "&orderBy=fleetVehicleId,speed;desc&limit=3&offset=2",
    *(f"{ENTITY}{n:03}?join={how}" for n in (7, 8) for how in ("flat", "inline")),
    PAGE + "&join=inline&count=true",
    PAGE + '&join=inline&q=vehicleRunningStatus{fleetVehicleId}=="SECRET"&count=true',
    PAGE + "&join=flat&q=vehicleRunningStatus{speed}>1&count=true",
    *(f"/temporal{ENTITY}{n:03}?{_PERIOD}" for n in (0, 3, 5, 6, 7, 40, 42, 50)),
    f"/temporal{ENTITY}003?{_PERIOD}&attrs=fleetVehicleId",
    f"/temporal{ENTITY}003?{_PERIOD}&options=temporalValues",
    f"/temporal{ENTITY}003?{_PERIOD}{_HOURS}",
    f"/temporal/entities?type=Vehicle&{_PERIOD}&count=true",
    f"/temporal/entities?type=Vehicle&{_PERIOD}&lastN=1&options=temporalValues",
    f"/temporal/entities?type=Vehicle&{_PERIOD}&attrs=fleetVehicleId&count=true",
    f'/temporal/entities?type=Vehicle&{_PERIOD}&q=fleetVehicleId!="SECRET"&count=true',
    f"/temporal/entities?type=Vehicle&{_PERIOD}&q=speed>9&count=true",
    f"/temporal/entities?type=Vehicle&{_PERIOD}{_HOURS}",
]
_HIDDEN = "&geometry=Polygon&coordinates=[[[8,8],[10,8],[10,10],[8,10],[8,8]]]&geoproperty=https://example.org/hidden"
_GEORELS = ["within", "contains", "equals", "intersects", "disjoint", "overlaps", "near;minDistance==1"]
READS += [f"{PAGE}&georel={rel}{_HIDDEN}&count=true" for rel in _GEORELS]
READS += [f"/temporal/entities?type=Vehicle&{_PERIOD}&georel={rel}{_HIDDEN}" for rel in ("within", "disjoint")]
GEO_READS = [
    *(f"{ENTITY}{n:03}" for n in (3, 6, 40, 50)),
    f"{ENTITY}006?geometryProperty=https://example.org/hidden",
    PAGE + "&limit=3&offset=3&count=true",
    PAGE + "&geometryProperty=https://example.org/hidden&options=keyValues",
    PAGE + "&geometryProperty=fleetVehicleId&attrs=speed",
]
QUERIES: list[dict[str, Any]] = [
    {"entities": [{"type": "Vehicle"}]},
    {"entities": [{"type": "*", "idPattern": ".*:04.*"}, {"type": "Vehicle", "id": f"{ENTITY[10:]}003"}]},
    {"entities": [{"type": "https://example.org/Secret"}]},
    {"attrs": ["fleetVehicleId"]},
    {"q": 'fleetVehicleId!="SECRET"', "entities": [{"type": "Vehicle"}]},
    {"entities": [{"type": "Vehicle"}], "pick": ["id", "fleetVehicleId"]},
    {
        "entities": [{"type": "Vehicle"}],
        "geoQ": {
            "georel": "near;maxDistance==1",
            "geometry": "Point",
            "coordinates": [0, 0],
            "geoproperty": "https://example.org/hidden",
        },
    },
]
_RANGE: dict[str, Any] = {"timerel": "before", "timeAt": "2027-01-01T00:00:00Z"}
EVOLUTIONS: list[dict[str, Any]] = [
    {"entities": [{"type": "Vehicle"}], "temporalQ": _RANGE},
    {"entities": [{"type": "https://example.org/Secret"}], "temporalQ": _RANGE},
    {"entities": [{"type": "Vehicle"}], "q": 'fleetVehicleId!="SECRET"', "temporalQ": _RANGE},
    {"entities": [{"type": "Vehicle"}], "attrs": ["fleetVehicleId", "speed"], "temporalQ": {**_RANGE, "lastN": 1}},
    {
        "entities": [{"type": "Vehicle"}],
        "temporalQ": {**_RANGE, "aggrMethods": ["max", "totalCount"], "aggrPeriodDuration": "P1D"},
    },
]
_DRAWN = re.compile(rb"(?<=urn:ngsi-ld:Instance:)[0-9a-f-]{36}")
"""What is drawn at random for each instance, whatever stands in it."""
JSON_TYPES = ("application/json", "application/ld+json")
GEO = "application/geo+json"


def requests() -> list[tuple[str, str, dict[str, Any] | None]]:
    """Give all that is asked: the Accept header, the path, and the body of a POST."""
    reads: list[tuple[str, str, dict[str, Any] | None]] = [(one, path, None) for path in READS for one in JSON_TYPES]
    reads += [(GEO, path, None) for path in GEO_READS]
    posted = "/entityOperations/query?count=true"
    reads += [(accept, posted, {"type": "Query", **query}) for query in QUERIES for accept in (*JSON_TYPES, GEO)]
    posted = "/temporal" + posted
    return reads + [(accept, posted, {"type": "Query", **query}) for query in EVOLUTIONS for accept in JSON_TYPES]


async def answers(governed: Governed) -> dict[str, tuple[int, list[tuple[str, str]], bytes]]:
    headers = governed.headers("urn:party:uni-air", "researcher", RESEARCH) | {"Link": LINK}
    found = {}
    for accept, path, query in requests():
        method = "GET" if query is None else "POST"
        answer = await governed.api.call(method, path, query, headers={**headers, "Accept": accept})
        shown = sorted(
            (k.lower(), v) for k, v in answer.headers.items() if k.lower() not in ("datapolis-audit", "date")
        )
        found[f"{accept} {path} {query}"] = (answer.status, shown, _DRAWN.sub(b"", answer.body))
    return found


async def compare(governed: Governed, twin: list[dict[str, Any]], base_store: list[dict[str, Any]]) -> None:
    await governed.store(base_store, NOW)
    expected = await answers(governed)
    await governed.store(twin, NOW)
    found = await answers(governed)
    assert {path: one for path, one in found.items() if one != expected[path]} == {}
    assert [path for path, one in expected.items() if one[0] == 400] == []  # nobody would see anything in those
    assert sum(one[0] == 200 for one in expected.values()) > len(READS)
    shown = [body for status, _, body in found.values() if status == 200]
    assert not any(b"SECRET" in body or b"fleetVehicleId" in body or b"example.org" in body for body in shown)


@pytest.mark.parametrize("twin", [other_value, without_attribute, extra_attribute], ids=lambda twin: twin.__name__)
async def test_under_two_agreements_hidden_attributes_make_no_difference(governed: Governed, twin: Any) -> None:
    """The public may see where every vehicle is, so the mask differs from entity to entity."""
    await compare(governed, twin(), base())


async def test_an_attribute_hidden_in_some_entities_only_makes_no_difference_there(governed: Governed) -> None:
    """The speed is visible inside the area; outside it a speed that a query asks for is as if absent."""
    outside = [vehicle(n, lon=-122.4) for n in (40, 50)]
    changed = [vehicle(n, lon=-122.4) for n in (40, 50)]
    changed[0][T + "speed"]["value"] = 1
    del changed[1][T + "speed"]
    await compare(governed, [*base(), *changed], [*base(), *outside])


# ---- links: whoever sees the vehicles' speeds sees them over links too, and nothing else

SPEED_LINKS: dict[str, Any] = {T + "speed": link("urn:ngsi-ld:Vehicle:003", "urn:ngsi-ld:Vehicle:040", "urn:x:none")}
"""A visible attribute as a Relationship: to an entity that is seen, to one that is hidden, and to none."""

LINKED_READS = [
    f"{ENTITY}001?join=inline",
    f"{ENTITY}001?join=flat",
    f"{ENTITY}001?join=flat&joinLevel=2&options=keyValues",
    f"{ENTITY}001?join=inline&pick=id,speed{{id,fleetVehicleId,speed}}",
    *(
        f"{PAGE}&join=inline&joinLevel=2&count=true&q={q}"
        for q in (
            "speed{speed}",
            "speed{speed}>5",
            "speed{fleetVehicleId}",
            'speed{fleetVehicleId}!="SECRET"',
            'speed{vehicleType}=="tram"',
            "speed{modifiedAt}>2020-01-01T00:00:00Z",
            "speed{speed{speed}}",
            "speed{Vehicle:location}",
        )
    ),
]


def _linking(hidden_kind: str, **more: Any) -> list[dict[str, Any]]:
    docs = base()
    docs[0] = vehicle(1, **SPEED_LINKS)
    return [*docs, vehicle(40, kind=hidden_kind, **more)]


async def _linked_answers(governed: Governed, docs: list[dict[str, Any]]) -> dict[str, tuple[int, Any, bytes]]:
    await governed.store(docs, NOW)
    headers = governed.headers("urn:party:uni-air", "researcher", RESEARCH) | {"Link": LINK}
    found = {}
    for path in LINKED_READS:
        answer = await governed.get(path, headers)
        found[path] = (answer.status, answer.headers.get("NGSILD-Results-Count"), answer.body)
    return found


async def test_a_linked_entity_is_shown_as_it_is_alone(alone: Governed) -> None:
    """A hidden target answers as one that does not exist, whatever it holds; a seen one shows what is seen of it."""
    gone = base()
    gone[0] = vehicle(1, **SPEED_LINKS)
    expected = await _linked_answers(alone, gone)
    assert await _linked_answers(alone, _linking("tram")) == expected
    secret = {
        T + "speed": link("urn:ngsi-ld:Vehicle:002"),
        T + "fleetVehicleId": {"type": "Property", "value": "SECRET"},
    }
    assert await _linked_answers(alone, _linking("tram", **secret)) == expected
    other = _linking("tram")
    other[2][T + "fleetVehicleId"]["value"] = "SECRET"
    assert await _linked_answers(alone, other) == expected
    assert {status for status, _, _ in expected.values()} == {200}
    counts = [expected[path][1] for path in LINKED_READS[4:]]
    assert counts == ["1", "1", "0", "0", "0", "0", "0", "1"]
    assert b"fleetVehicleId" not in b"".join(body for _, _, body in expected.values())
    inline = orjson.loads(expected[LINKED_READS[0]][2])
    assert [one["id"] for one in inline["speed"]["entity"]] == ["urn:ngsi-ld:Vehicle:003"]
    assert inline["speed"]["entity"][0].keys() == {"id", "type", "speed", "location"}


@pytest.fixture(scope="module")
def _state() -> dict[str, bool]:
    return {}


@pytest.fixture
async def alone(governed: Governed, _state: dict[str, bool]) -> Governed:
    """The researcher's own agreement alone: the public one is suspended from here on."""
    if not _state:
        await governed.suspend("urn:datapolis:agreement:public-mobility")
        _state["suspended"] = True
    return governed


async def test_the_reader_sees_something_at_all(alone: Governed) -> None:
    await alone.store(base(), NOW)
    headers = alone.headers("urn:party:uni-air", "researcher", RESEARCH) | {"Link": LINK}
    answer = await alone.get(PAGE + "&count=true", headers)
    assert (answer.status, answer.headers["NGSILD-Results-Count"], len(answer.json)) == (200, "8", 8)
    assert answer.json[0] == {
        "id": "urn:ngsi-ld:Vehicle:001",
        "type": "Vehicle",
        "speed": {"type": "Property", "value": 3, "unitCode": "KMH", "observedAt": "2026-11-22T05:59:00Z"},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-122.33, 47.61]}},
    }
    assert (await alone.get(f"{ENTITY}001", headers)).json == answer.json[0]
    assert (await alone.get(PAGE + "&q=speed>9&count=true", headers)).headers["NGSILD-Results-Count"] == "5"


async def test_a_hidden_geometry_is_null(alone: Governed) -> None:
    await alone.store(extra_attribute(), NOW)
    headers = alone.headers("urn:party:uni-air", "researcher", RESEARCH) | {"Link": LINK, "Accept": GEO}
    path = f"{ENTITY}006"
    shown = (await alone.get(path, headers)).json
    assert shown["geometry"] == {"type": "Point", "coordinates": [-122.33, 47.61]}
    assert shown["properties"].keys() == {"type", "speed", "location"}
    hidden = (await alone.get(f"{path}?geometryProperty=https://example.org/hidden", headers)).json
    assert (hidden["geometry"], hidden["properties"]) == (None, shown["properties"])


async def test_discovery_counts_what_the_reader_sees(alone: Governed) -> None:
    await alone.store([*entity_outside_the_area(), *entity_of_another_kind()[4:5], entity_of_another_type()[-1]], NOW)
    headers = alone.headers("urn:party:uni-air", "researcher", RESEARCH) | {"Link": LINK}
    assert (await alone.get("/types", headers)).json["typeList"] == ["Vehicle"]
    found = (await alone.get("/types/Vehicle", headers)).json
    assert found["entityCount"] == 8
    assert [one["attributeName"] for one in found["attributeDetails"]] == [
        "speed",
        "vehicleRunningStatus",
        "location",
    ]
    found = (await alone.get("/attributes", headers)).json
    assert found["attributeList"] == ["speed", "vehicleRunningStatus", "location"]
    assert (await alone.get("/attributes/speed", headers)).json["attributeCount"] == 8
    assert (await alone.get("/attributes/fleetVehicleId", headers)).status == 404


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__)
async def test_twins_answer_the_same_on_every_read(alone: Governed, twin: Any) -> None:
    await compare(alone, twin(), base())


async def test_a_later_change_of_a_hidden_attribute_leaves_no_trace(alone: Governed) -> None:
    """Not in the entity's modifiedAt either, nor in a query for it."""
    await alone.store(base(), NOW)
    expected = await answers(alone)
    later = {
        "id": "urn:ngsi-ld:Vehicle:003",
        "type": [VEHICLE],
        T + "fleetVehicleId": {"type": "Property", "value": "G"},
    }
    async with alone.pool.tx(DEFAULT_SCHEMA) as conn:
        outcomes = await apply(
            conn, "default", [Change("upsert_update", "urn:ngsi-ld:Vehicle:003", later)], NOW + timedelta(minutes=1)
        )
    assert [one.result for one in outcomes] == ["updated"]
    found = await answers(alone)
    assert {path: one for path, one in found.items() if one != expected[path]} == {}
