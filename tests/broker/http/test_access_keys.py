"""Access keys at the broker's doors: as a tool sends them, under one agreement, ended within a second."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from datetime import UTC, datetime

import pandas
import pytest

from policies.access_keys import Made, make, revoke
from policies.caller import Caller
from policies.store.connect import connect
from tests.fixtures.governed import Governed

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
T = "https://smartdatamodels.org/dataModel.Transportation/"
LINK = {"Link": '</ngsi-ld/v1/jsonldContexts/city>; rel="http://www.w3.org/ns/json-ld#context"'}
RESEARCHER = Caller("urn:party:uni-air", "x", "researcher")
AGREEMENT = "urn:datapolis:agreement:uni-air-mobility"
BUS = {
    "id": "urn:ngsi-ld:Vehicle:1",
    "type": [T + "Vehicle"],
    T + "vehicleType": {"type": "Property", "value": "bus"},
    T + "speed": {"type": "Property", "value": 9},
    "https://uri.etsi.org/ngsi-ld/location": {
        "type": "GeoProperty",
        "value": {"type": "Point", "coordinates": [-122.33, 47.61]},
    },
}
OUTSIDE = {
    **BUS,
    "id": "urn:ngsi-ld:Vehicle:2",
    "https://uri.etsi.org/ngsi-ld/location": {
        "type": "GeoProperty",
        "value": {"type": "Point", "coordinates": [-122.1, 47.61]},
    },
}


async def a_key(governed: Governed) -> Made:
    conn = await connect(governed.running.database.dsn("policies"))
    made = await make(conn, RESEARCHER, AGREEMENT, "dpv:ScientificResearch", "notebook", 1)
    await conn.close(timeout=5)
    return made


def basic(made: Made) -> dict[str, str]:
    return {**LINK, "Authorization": "Basic " + b64encode(f"key:{made.secret}".encode()).decode()}


async def test_a_tool_reads_with_it_as_password_or_as_bearer(governed: Governed) -> None:
    await governed.store([BUS, OUTSIDE], NOW)
    made = await a_key(governed)
    bearer = {**LINK, "Authorization": f"Bearer {made.secret}"}
    for headers in (basic(made), bearer, bearer):
        answer = await governed.get("/entities?type=Vehicle&count=true", headers)
        assert (answer.status, [one["id"] for one in answer.json]) == (200, ["urn:ngsi-ld:Vehicle:1"])
        assert set(answer.json[0]) == {"id", "type", "speed", "location"}
        assert (await governed.get("/entities/urn:ngsi-ld:Vehicle:1", headers)).json == answer.json[0]
    public = await governed.get("/entities?type=Vehicle", LINK)
    assert len(public.json) == 2, "what is public is not what the key is for"


async def test_pandas_reads_a_table_with_it(governed: Governed) -> None:
    await governed.store([BUS, OUTSIDE], NOW)
    made = await a_key(governed)
    url = f"{governed.running.url}/ngsi-ld/v1/entities?type=Vehicle&options=keyValues"
    headers = {**LINK, "Authorization": f"Bearer {made.secret}"}
    table = await asyncio.to_thread(pandas.read_json, url, storage_options=headers)
    assert list(table["id"]) == ["urn:ngsi-ld:Vehicle:1"]
    assert set(table.columns) == {"id", "type", "speed", "location"}


async def test_it_is_for_one_purpose_and_for_reading(governed: Governed) -> None:
    made = await a_key(governed)
    wrong = await governed.get("/entities?type=Vehicle", {**basic(made), "Data-Purpose": "dpv:Marketing"})
    assert (wrong.status, "is not among the token's purposes" in wrong.json["detail"]) == (400, True)
    entity = {"id": "urn:ngsi-ld:Vehicle:9", "type": "Vehicle"}
    for method, path, body in (("POST", "/entities", entity), ("GET", "/subscriptions", None)):
        refused = await governed.api.call(method, path, body, basic(made))
        assert (refused.status, "An access key serves" in refused.json["detail"]) == (403, True)


@pytest.mark.parametrize("value", ["dpk_", "dpk_aaaaaaaaaaaaaaaa_" + "b" * 52])
async def test_keys_that_are_none(governed: Governed, value: str) -> None:
    answer = await governed.get("/entities?type=Vehicle", {"Authorization": f"Bearer {value}"})
    assert (answer.status, answer.json["detail"]) == (401, "the access key is not known")


async def test_a_revoked_key_is_refused_within_a_second_whatever_is_replayed(governed: Governed) -> None:
    await governed.store([BUS], NOW)
    made = await a_key(governed)
    headers = basic(made)
    assert (await governed.get("/entities/urn:ngsi-ld:Vehicle:1", headers)).status == 200
    conn = await connect(governed.running.database.dsn("policies"))
    await revoke(conn, made.key, "urn:party:steward")
    await conn.close(timeout=5)
    begun = time.monotonic()
    while (answer := await governed.get("/entities/urn:ngsi-ld:Vehicle:1", headers)).status == 200:
        assert time.monotonic() - begun < 1.0
        await asyncio.sleep(0.005)
    assert answer.status == 401
    assert "has been revoked" in answer.json["detail"]
    assert made.secret not in answer.body.decode()
