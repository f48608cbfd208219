"""Evolutions under agreements: windows, masks, resolutions, deleted entities; what is hidden leaves no trace."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from broker.core.entity import LOCATION
from broker.core.state import Change
from broker.store.pool import Pool
from broker.store.write import apply
from docker.local.stack import ROOT
from tests.fixtures.broker import Answer, BrokerProcess, broker_process
from tests.fixtures.governed import DEFAULT_SCHEMA, PATIENT, Governed, admit_city
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer

T = "https://smartdatamodels.org/dataModel.Transportation/"
PURPOSE = "dpv:ServiceProvision"
LINK = '</ngsi-ld/v1/jsonldContexts/city>; rel="http://www.w3.org/ns/json-ld#context"'
BUS, TRAM = "urn:ngsi-ld:Vehicle:bus", "urn:ngsi-ld:Vehicle:tram"
AFTER = "timerel=after&timeAt=2026-01-01T00:00:00Z"

TARGETS: dict[str, dict[str, Any]] = {
    "windowed": {
        "attrs": {"except": ["fleetVehicleId"]},
        "q": 'vehicleType=="bus"',
        "window": {"from": "2026-11-10T00:00:00Z", "to": "2026-11-20T00:00:00Z"},
    },
    "hourly": {"attrs": {"only": ["speed"]}, "resolution": {"time": "PT1H"}},
    "totals": {"attrs": {"only": ["speed"]}, "aggregate_only": True},
    "twice": {"attrs": {"only": ["speed"]}, "window": {"from": "2026-11-15T00:00:00Z"}},
    "recent": {"attrs": {"only": ["speed"]}, "window": {"max_age": "P10D"}},
    "coarse": {"resolution": {"metres": 500}},
    "writer": {"attrs": {"only": ["speed"]}, "q": 'vehicleType=="bus"'},
    "keeper": {"attrs": {"only": ["speed"]}, "window": {"from": "2026-11-10T00:00:00Z", "to": "2026-11-20T00:00:00Z"}},
    "summer": {"attrs": {"only": ["speed"]}},
    "barred": {"attrs": {"only": ["speed"]}},
}
BARRED = [{"action": ["temporal"], "target": {"types": ["Vehicle"], "q": 'vehicleType=="tram"'}, "constraint": []}]
ACTIONS = {"writer": ["temporal", "delete"], "keeper": ["read", "temporal", "delete"], "summer": ["aggregate"]}


def agreement(name: str, target: dict[str, Any]) -> dict[str, Any]:
    permissions = [(ACTIONS.get(name, ["temporal", "aggregate"]), target)]
    if name in ("writer", "keeper"):
        permissions.append((["publish"], {**target, "feeds": ["transit-live"]}))
    return {
        "@context": [
            "http://www.w3.org/ns/odrl.jsonld",
            "https://datapolis.example/ns/trust.jsonld",
            "../context.jsonld",
        ],
        "@type": "Agreement",
        "uid": f"urn:datapolis:agreement:test-{name}",
        "profile": "https://datapolis.example/ns/trust",
        "version": 1,
        "status": "active",
        "title": {"en": f"Histories for the test {name}"},
        "domain": "mobility",
        "assigner": "urn:party:city",
        "assignee": f"urn:party:{name}",
        "valid": {"from": "2026-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"},
        "permission": [
            {
                "action": actions,
                "target": {"types": ["Vehicle"], **what},
                "constraint": [{"leftOperand": "purpose", "operator": "isA", "rightOperand": PURPOSE}],
            }
            for actions, what in permissions
        ],
        "prohibition": BARRED if name == "barred" else [],
    }


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample city with agreements of these tests, and none for the public."""
    folder = tmp_path_factory.mktemp("governed") / "city"
    shutil.copytree(ROOT / "city", folder)
    (folder / "agreements" / "public-mobility.jsonld").unlink()
    parties = "".join(f"\n  urn:party:{name}: Test {name}" for name in TARGETS)
    settings = folder / "city.yaml"
    settings.write_text(settings.read_text().replace("\nparties:", f"\nparties:{parties}"))
    for name, target in TARGETS.items():
        (folder / "agreements" / f"test-{name}.jsonld").write_bytes(orjson.dumps(agreement(name, target)))
    return folder


@pytest.fixture(scope="module")
def running(pg_module: Database, opa: str, issuer: TestIssuer, city: Path) -> Iterator[BrokerProcess]:
    admit_city(pg_module, city)
    environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": opa, "DATAPOLIS_CITY": str(city), **PATIENT}
    with broker_process(pg_module, environment) as process:
        yield process


@pytest.fixture
async def trust(running: BrokerProcess, issuer: TestIssuer) -> AsyncIterator[Governed]:
    pool = Pool(running.database.dsn("broker"), size=2)
    await pool.open()
    async with aiohttp.ClientSession() as http:
        yield Governed(running, issuer, http, pool)
    await pool.close()


def doc(entity: str, kind: str) -> dict[str, Any]:
    return {
        "id": entity,
        "type": [T + "Vehicle"],
        T + "vehicleType": {"type": "Property", "value": kind, "observedAt": "2026-11-12T00:00:00Z"},
        T + "fleetVehicleId": {"type": "Property", "value": "SECRET", "observedAt": "2026-11-12T00:00:00Z"},
    }


SPEEDS = {
    "2026-11-01T08:00:00Z": 10,
    "2026-11-12T08:10:00Z": 20,
    "2026-11-12T08:50:00Z": 40,
    "2026-11-12T09:10:00Z": 60,
    "2026-11-21T08:00:00Z": 99,
}


async def fill(trust: Governed, speeds: dict[str, int] | None = None, **more: Any) -> None:
    """Fill the store with two vehicles and their speeds."""
    docs = [doc(BUS, "bus") | more, doc(TRAM, "tram")]
    await trust.store(docs, datetime(2026, 11, 21, 9, tzinfo=UTC))
    rows = [(one, at, value) for one in (BUS, TRAM) for at, value in (speeds or SPEEDS).items()]
    async with trust.pool.tx(DEFAULT_SCHEMA) as conn:
        await conn.executemany(
            "INSERT INTO history (entity, attr, observed_at, received_at, event, kind, body) "
            "VALUES ($1, $2, $3::text::timestamptz, $3::text::timestamptz + interval '1 s', '', 'value', $4)",
            [
                (
                    one,
                    T + "speed",
                    at,
                    orjson.dumps({"type": "Property", "value": value, "observedAt": at}).decode(),
                )
                for one, at, value in rows
            ],
        )


async def ask(trust: Governed, party: str, path: str, tier: str = "vendor") -> Answer:
    headers = trust.headers(f"urn:party:{party}", tier, PURPOSE)
    found: Answer = await trust.get(path, {**headers, "Link": LINK})
    return found


def speeds(answer: Answer) -> dict[str, list[int]]:
    assert answer.status == 200, answer.body
    return {one["id"]: [past["value"] for past in one.get("speed", [])] for one in answer.json}


async def test_a_window_clips_and_a_filter_on_state_decides(trust: Governed) -> None:
    await fill(trust)
    answer = await ask(trust, "windowed", f"/temporal/entities?type=Vehicle&{AFTER}&count=true")
    assert speeds(answer) == {BUS: [20, 40, 60]}
    assert answer.headers["NGSILD-Results-Count"] == "1"
    assert b"SECRET" not in answer.body
    assert b"fleetVehicleId" not in answer.body
    one = await ask(trust, "windowed", f"/temporal/entities/{BUS}?lastN=1")
    assert [past["value"] for past in one.json["speed"]] == [60]
    for missing in (TRAM, "urn:ngsi-ld:Vehicle:none"):
        hidden = await ask(trust, "windowed", f"/temporal/entities/{missing}")
        assert (hidden.status, hidden.json["detail"]) == (404, f"{missing} was not found")


@pytest.mark.parametrize(
    "query",
    [
        "q=speed>90",
        "q=speed<15",
        'q=fleetVehicleId=="SECRET"',
        "q=fleetVehicleId",
        "attrs=fleetVehicleId",
        "q=speed==99",
        "pick=id,fleetVehicleId",
    ],
)
async def test_what_is_hidden_selects_nothing(trust: Governed, query: str) -> None:
    await fill(trust)
    answer = await ask(trust, "windowed", f"/temporal/entities?type=Vehicle&{AFTER}&{query}&count=true")
    assert (answer.status, answer.json, answer.headers["NGSILD-Results-Count"]) == (200, [], "0")


async def test_a_hidden_difference_leaves_no_trace(trust: Governed) -> None:
    paths = [
        f"/temporal/entities?type=Vehicle&{AFTER}&count=true&options=temporalValues",
        f"/temporal/entities?type=Vehicle&{AFTER}&format=aggregatedValues&aggrMethods=avg,max,totalCount",
        f"/temporal/entities?type=Vehicle&{AFTER}&format=aggregatedValues&aggrMethods=sum&aggrPeriodDuration=P1D",
        f"/temporal/entities/{BUS}?format=aggregatedValues&aggrMethods=min&aggrPeriodDuration=PT1H",
        f"/temporal/entities/{BUS}?options=temporalValues&lastN=2",
        f"/temporal/entities/{TRAM}",
    ]
    await fill(trust)
    base = [(await ask(trust, "windowed", path)).body for path in paths]
    hidden = {**SPEEDS, "2026-11-09T23:59:59Z": -500, "2026-11-20T00:00:00Z": 500}
    secret = {T + "fleetVehicleId": {"type": "Property", "value": "OTHER", "observedAt": "2026-11-13T00:00:00Z"}}
    await fill(trust, hidden, **secret)
    assert [(await ask(trust, "windowed", path)).body for path in paths] == base


async def test_a_resolution_forces_aggregates_of_whole_cells(trust: Governed) -> None:
    await fill(trust)
    hours = [
        [10.0, "2026-11-01T08:00:00Z", "2026-11-01T09:00:00Z"],
        [30.0, "2026-11-12T08:00:00Z", "2026-11-12T09:00:00Z"],
        [60.0, "2026-11-12T09:00:00Z", "2026-11-12T10:00:00Z"],
        [99.0, "2026-11-21T08:00:00Z", "2026-11-21T09:00:00Z"],
    ]
    raw = await ask(trust, "hourly", f"/temporal/entities/{BUS}")
    assert raw.status == 200
    assert raw.json["speed"]["avg"] == hours
    assert raw.json.keys() == {"id", "type", "speed"}
    finer = "format=aggregatedValues&aggrMethods=avg&aggrPeriodDuration="
    for period in ("PT1S", "PT20M", "PT1H"):
        answer = await ask(trust, "hourly", f"/temporal/entities/{BUS}?{finer}{period}")
        assert answer.json["speed"]["avg"] == hours, period
    coarser = (await ask(trust, "hourly", f"/temporal/entities/{BUS}?{finer}PT90M")).json["speed"]["avg"]
    assert [one[1:] for one in coarser[1:3]] == [
        ["2026-11-12T08:00:00Z", "2026-11-12T10:00:00Z"],
        ["2026-11-21T08:00:00Z", "2026-11-21T10:00:00Z"],
    ]


@pytest.mark.parametrize("moved", ["08:05:00", "08:10:00", "08:10:01", "08:49:59"])
async def test_moving_the_range_within_a_cell_tells_nothing(trust: Governed, moved: str) -> None:
    await fill(trust)
    query = "format=aggregatedValues&aggrMethods=sum,totalCount&aggrPeriodDuration=PT1H"
    after = f"timerel=between&timeAt=2026-11-12T{moved}Z&endTimeAt=2026-11-12T10:30:00Z"
    answer = await ask(trust, "hourly", f"/temporal/entities/{BUS}?{query}&{after}")
    assert answer.json["speed"]["sum"] == [[60, "2026-11-12T09:00:00Z", "2026-11-12T10:00:00Z"]]
    until = f"timerel=between&timeAt=2026-11-12T07:00:00Z&endTimeAt=2026-11-12T{moved}Z"
    assert (await ask(trust, "hourly", f"/temporal/entities/{BUS}?{query}&{until}")).status == 404


async def test_the_last_of_what_is_coarse_is_a_whole_cell(trust: Governed) -> None:
    """Else the difference of two answers would tell a single instance."""
    await fill(trust)
    query = "format=aggregatedValues&aggrMethods=sum&timerel=before&timeAt=2026-11-20T00:00:00Z"
    cells = [[60, "2026-11-12T08:00:00Z", "2026-11-12T09:00:00Z"], [60, "2026-11-12T09:00:00Z", "2026-11-12T10:00:00Z"]]
    for last in (1, 2):
        answer = await ask(trust, "hourly", f"/temporal/entities/{BUS}?{query}&aggrPeriodDuration=PT1H&lastN={last}")
        assert answer.json["speed"]["sum"] == cells[-last:]
    whole = await ask(trust, "totals", f"/temporal/entities/{BUS}?{query}&lastN=1")
    assert whole.json["speed"]["sum"] == [[130, "2026-11-01T08:00:00Z", "2026-11-20T00:00:00Z"]]
    plain = await ask(trust, "windowed", f"/temporal/entities/{BUS}?{query}&lastN=1")
    assert plain.json["speed"]["sum"] == [[60, "2026-11-12T00:00:00Z", "2026-11-20T00:00:00Z"]]


async def test_an_entity_that_is_prohibited_as_a_whole_has_no_scopes_to_show_either(trust: Governed) -> None:
    docs = [doc(BUS, "bus") | {"scope": ["/depot"]}, doc(TRAM, "tram") | {"scope": ["/depot"]}]
    await trust.store(docs, datetime(2026, 11, 21, 9, tzinfo=UTC))
    shown = await ask(trust, "barred", f"/temporal/entities/{BUS}")
    assert (shown.status, [one["value"] for one in shown.json["scope"]]) == (200, [["/depot"]])
    hidden = await ask(trust, "barred", f"/temporal/entities/{TRAM}")
    assert (hidden.status, hidden.json["detail"]) == (404, f"{TRAM} was not found")


@pytest.mark.parametrize("party", ["hourly", "totals"])
async def test_predicates_do_not_see_what_is_shown_in_sums_only(trust: Governed, party: str) -> None:
    await fill(trust)
    query = "format=aggregatedValues&aggrMethods=avg"
    seen = await ask(trust, party, f"/temporal/entities?type=Vehicle&{AFTER}&{query}")
    assert [one["id"] for one in seen.json] == [BUS, TRAM]
    for predicate in ("q=speed==99", "q=speed>0", "q=speed", "q=vehicleType"):
        answer = await ask(trust, party, f"/temporal/entities?type=Vehicle&{AFTER}&{query}&{predicate}")
        assert answer.json == []


async def test_aggregates_only(trust: Governed) -> None:
    await fill(trust)
    answer = await ask(trust, "totals", f"/temporal/entities/{BUS}")
    assert answer.json["speed"].keys() == {"type", "avg", "min", "max", "totalCount"}
    assert answer.json["speed"]["totalCount"] == [[5, "2026-11-01T08:00:00Z", "2026-11-21T08:00:00Z"]]
    assert b"instanceId" not in answer.body


async def test_what_is_gone_is_for_those_who_manage(trust: Governed) -> None:
    await fill(trust)
    async with trust.pool.tx(DEFAULT_SCHEMA) as conn:
        (gone,) = await apply(conn, "default", [Change("delete", TRAM)], datetime.now(UTC))
    assert gone.result == "deleted"
    assert speeds(await ask(trust, "twice", f"/temporal/entities?type=Vehicle&{AFTER}")) == {BUS: [99]}
    assert (await ask(trust, "twice", f"/temporal/entities/{TRAM}")).status == 404
    steward = trust.issuer.bearer("urn:party:steward", "steward", roles=["steward:mobility"], purposes=[PURPOSE])
    for path in (f"/temporal/entities/{TRAM}", f"/temporal/entities?type=Vehicle&{AFTER}"):
        answer = await trust.get(path, {**steward, "Link": LINK})
        assert answer.status == 200, answer.body
        assert TRAM.encode() in answer.body


async def test_no_agreement_no_history(trust: Governed) -> None:
    await fill(trust)
    answer = await ask(trust, "stranger", f"/temporal/entities/{BUS}")
    assert answer.status in (401, 403, 404)
    assert b"speed" not in answer.body


async def test_an_age_clips(trust: Governed) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    ages = {"young": timedelta(days=9, hours=23), "old": timedelta(days=10, minutes=1), "new": timedelta(minutes=1)}
    at = {name: (now - age).isoformat().replace("+00:00", "Z") for name, age in ages.items()}
    await fill(trust, {at["old"]: 1, at["young"]: 2, at["new"]: 3})
    after = "timerel=after&timeAt=2020-01-01T00:00:00Z"
    assert speeds(await ask(trust, "recent", f"/temporal/entities?type=Vehicle&{after}")) == {BUS: [2, 3], TRAM: [2, 3]}
    assert speeds(await ask(trust, "recent", f"/temporal/entities?type=Vehicle&{after}&q=speed==1")) == {}
    query = "format=aggregatedValues&aggrMethods=sum"
    answer = await ask(trust, "recent", f"/temporal/entities/{BUS}?{query}&{after}")
    assert answer.json["speed"]["sum"] == [[5, "2020-01-01T00:00:00Z", at["new"]]]


async def test_coarse_places_are_not_in_histories(trust: Governed) -> None:
    point = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-0.37, 39.47]}}
    nested = {"type": "Property", "value": 5, "observedAt": "2026-11-12T00:00:00Z", T + "stop": point}
    located = {**point, "observedAt": "2026-11-12T00:00:00Z"}
    more: dict[str, Any] = {T + "heading": nested, LOCATION: located}
    await fill(trust, None, **more)
    answer = await ask(trust, "coarse", f"/temporal/entities/{BUS}")
    assert answer.json.keys() == {"id", "type", "speed", "vehicleType", "fleetVehicleId"}
    assert b"39.47" not in answer.body
    near = "georel=near;maxDistance==1000&geometry=Point&coordinates=[-0.37,39.47]"
    query = f"/temporal/entities?type=Vehicle&{AFTER}&{near}"
    assert speeds(await ask(trust, "coarse", query)) == {}
    assert [one["id"] for one in (await ask(trust, "windowed", query)).json] == [BUS]
    counts = await ask(trust, "coarse", f"/temporal/entities/{BUS}?format=aggregatedValues&aggrMethods=totalCount")
    assert counts.json.keys() == {"id", "type", "speed", "vehicleType", "fleetVehicleId"}


async def send(trust: Governed, party: str, method: str, path: str, body: Any = None) -> Answer:
    headers = trust.headers(f"urn:party:{party}", "vendor", PURPOSE) | {"Link": LINK}
    found: Answer = await trust.api.call(method, path, body, headers)
    return found


READING = {"type": "Property", "value": 7, "observedAt": "2026-11-13T00:00:00Z"}


async def test_who_may_publish_an_attribute_adds_to_its_evolution_only(trust: Governed) -> None:
    await fill(trust)
    path = f"/temporal/entities/{BUS}/attrs/"
    assert (await send(trust, "writer", "POST", path, {"speed": [READING]})).status == 204
    assert speeds(await ask(trust, "writer", f"/temporal/entities?type=Vehicle&{AFTER}")) == {
        BUS: [10, 20, 40, 60, 7, 99]
    }
    before = await everything(trust)
    for body in ({"fleetVehicleId": [READING]}, {"speed": [READING], "vehicleType": [READING]}):
        assert (await send(trust, "writer", "POST", path, body)).status == 403
        whole = {"id": BUS, "type": "Vehicle", **body}
        assert (await send(trust, "writer", "POST", "/temporal/entities", whole)).status == 403
    other = await send(trust, "writer", "POST", f"/temporal/entities/{TRAM}/attrs/", {"speed": [READING]})
    assert other.status in (403, 404)
    for party in ("windowed", "summer", "stranger"):
        assert (await send(trust, party, "POST", path, {"speed": [READING]})).status in (401, 403)
    assert await everything(trust) == before


async def everything(trust: Governed) -> list[tuple[Any, ...]]:
    async with trust.pool.lend(DEFAULT_SCHEMA) as conn:
        history = await conn.fetch("SELECT entity, attr, observed_at, kind, body FROM history ORDER BY 1, 2, 3")
        return [tuple(row) for row in (*history, *await conn.fetch("SELECT id, names, segs FROM entities ORDER BY 1"))]


async def test_who_may_delete_an_attribute_deletes_its_instances_only(trust: Governed) -> None:
    await fill(trust)
    found = (await ask(trust, "writer", f"/temporal/entities/{BUS}")).json["speed"]
    one = f"/temporal/entities/{BUS}/attrs/speed/{found[0]['instanceId']}"
    assert (await send(trust, "writer", "PATCH", one, {"speed": [{**READING, "value": 8}]})).status == 204
    assert (
        await send(trust, "writer", "DELETE", f"/temporal/entities/{BUS}/attrs/speed/{found[1]['instanceId']}")
    ).status == 204
    assert speeds(await ask(trust, "writer", f"/temporal/entities?type=Vehicle&{AFTER}")) == {BUS: [40, 60, 8, 99]}
    before = await everything(trust)
    async with trust.pool.lend(DEFAULT_SCHEMA) as conn:
        secret = await conn.fetchval("SELECT instance_id::text FROM history WHERE attr = $1", T + "fleetVehicleId")
        tram = await conn.fetchval(
            "SELECT instance_id::text FROM history WHERE entity = $1 AND attr = $2", TRAM, T + "speed"
        )
    hidden = (
        f"/temporal/entities/{BUS}/attrs/fleetVehicleId/urn:ngsi-ld:Instance:{secret}",
        f"/temporal/entities/{TRAM}/attrs/speed/urn:ngsi-ld:Instance:{tram}",
    )
    for path in hidden:
        assert (await send(trust, "writer", "DELETE", path)).status == 404
        assert (await send(trust, "writer", "PATCH", path, READING)).status == 404
    for path in (f"/temporal/entities/{BUS}/attrs/fleetVehicleId?deleteAll=true", f"/temporal/entities/{TRAM}"):
        assert (await send(trust, "writer", "DELETE", path)).status == 404
    assert (await send(trust, "writer", "DELETE", f"/temporal/entities/{BUS}")).status == 403
    assert (await send(trust, "windowed", "DELETE", f"/temporal/entities/{BUS}")).status == 403
    assert await everything(trust) == before
    assert (await send(trust, "writer", "DELETE", f"/temporal/entities/{BUS}/attrs/speed?deleteAll=true")).status == 204
    assert (await ask(trust, "writer", f"/temporal/entities/{BUS}")).status == 404


async def instances(trust: Governed) -> dict[str, tuple[str, int]]:
    """Whatever the store holds of the bus's speed: by instant the instance's name and its value."""
    async with trust.pool.lend(DEFAULT_SCHEMA) as conn:
        rows = await conn.fetch(
            "SELECT observed_at, instance_id::text, body::jsonb->'value' FROM history WHERE entity = $1 AND attr = $2",
            BUS,
            T + "speed",
        )
    return {f"{at:%Y-%m-%dT%H:%M:%SZ}": (f"urn:ngsi-ld:Instance:{name}", int(value)) for at, name, value in rows}


async def test_a_window_limits_what_histories_show_and_not_what_may_be_changed(trust: Governed) -> None:
    """One party under one window for every action: it changes instances that its histories do not show."""
    await fill(trust)
    path, now = f"/temporal/entities/{BUS}", {"type": "Property", "value": 3, "observedAt": "2026-11-22T00:00:00Z"}

    async def shown() -> list[int]:
        return [one["value"] for one in (await ask(trust, "keeper", path)).json["speed"]]

    assert await shown() == [20, 40, 60]
    assert (await send(trust, "keeper", "POST", f"{path}/attrs/", {"speed": [now]})).status == 204
    there = await instances(trust)
    old, new = (there[at][0] for at in ("2026-11-01T08:00:00Z", "2026-11-21T08:00:00Z"))
    older = {**READING, "observedAt": "2026-11-02T00:00:00Z"}
    assert (await send(trust, "keeper", "PATCH", f"{path}/attrs/speed/{old}", {"speed": [older]})).status == 204
    assert (await send(trust, "keeper", "DELETE", f"{path}/attrs/speed/{new}")).status == 204
    assert {at: value for at, (_, value) in (await instances(trust)).items()} == {
        "2026-11-02T00:00:00Z": 7,
        "2026-11-12T08:10:00Z": 20,
        "2026-11-12T08:50:00Z": 40,
        "2026-11-12T09:10:00Z": 60,
        "2026-11-22T00:00:00Z": 3,
    }
    assert await shown() == [20, 40, 60]
    current = await ask(trust, "keeper", f"/entities/{BUS}")
    assert current.json == {"id": BUS, "type": "Vehicle", "speed": now}
    assert (await send(trust, "keeper", "DELETE", f"{path}/attrs/speed?deleteAll=true")).status == 204
    assert await instances(trust) == {}


async def test_who_may_aggregate_sees_no_instance_however_it_is_asked_for(trust: Governed) -> None:
    await fill(trust)
    path = f"/temporal/entities?type=Vehicle&{AFTER}"
    sums = await ask(trust, "summer", f"{path}&format=aggregatedValues&aggrMethods=totalCount")
    assert [one["speed"]["totalCount"][0][0] for one in sums.json] == [5, 5]
    for more in (
        "",
        "&options=temporalValues&format=normalized",
        '&q=speed!="aggregatedValues"',
        "&attrs=speed,aggregatedValues",
        "&options=aggregatedValues&format=temporalValues&aggrMethods=sum",
        "&options=normalized,%20aggregatedValues&aggrMethods=sum",
    ):
        answer = await ask(trust, "summer", path + more)
        assert answer.status == 400 or answer.json == [], more
    query = {"type": "Query", "entities": [{"type": "Vehicle"}]}
    within = {"timerel": "after", "timeAt": "2026-01-01T00:00:00Z"}
    posted = {**query, "temporalQ": within, "aggrParams": {"aggrMethods": ["totalCount"]}}
    operations = "/temporal/entityOperations/query"
    answer = await send(trust, "summer", "POST", operations, posted)
    assert (answer.status, len(answer.json)) == (200, 2), answer.body
    for url, body in (
        ("", {**query, "temporalQ": within}),
        ("?options=sysAttrs", posted),
        ("?format=normalized", posted),
    ):
        answer = await send(trust, "summer", "POST", operations + url, body)
        assert (answer.status, answer.json) == (200, [])
