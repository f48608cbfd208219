"""A quota counts every answered read, whichever way it was served; used up, what is left is what all may see."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from policies.store.connect import connect
from tests.fixtures.governed import Governed

AGREEMENT = "urn:datapolis:agreement:rideflow-mobility"
SPEED = "https://smartdatamodels.org/dataModel.Transportation/speed"
VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
BUS = "urn:ngsi-ld:Vehicle:quota:1"
_SET = """
UPDATE policies.agreements SET body = jsonb_set(body, '{permission,0,duty,1,value}', '"6/P1D"') WHERE uid = $1
"""


async def test_reads_by_both_ways_count(governed: Governed) -> None:
    location = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-122.33, 47.61]}}
    speed = {"type": "Property", "value": 9}
    bus = {"id": BUS, "type": [VEHICLE], "https://uri.etsi.org/ngsi-ld/location": location, SPEED: speed}
    await governed.store([bus], datetime.now(UTC))
    connection = await connect(governed.running.database.dsn("admin"))
    await connection.execute(_SET, AGREEMENT)
    await connection.close(timeout=5)
    await asyncio.sleep(0.6)
    headers = governed.headers("urn:party:rideflow", "vendor", "dpv:ServiceProvision")
    for number in range(6):
        query = "" if number % 2 else "?options=concise"
        answer = await governed.get(f"/entities/{BUS}{query}", headers)
        assert (answer.status, SPEED in answer.json) == (200, True)
    begun = time.monotonic()
    while SPEED in (answer := await governed.get(f"/entities/{BUS}", headers)).json:
        assert time.monotonic() - begun < 1.5
        await asyncio.sleep(0.02)
    assert answer.json == {"id": BUS, "type": VEHICLE, "location": location}
    refused = await governed.api.call("GET", "/subscriptions", headers=headers)
    assert (refused.status, refused.json["reason"]) == (403, "quota")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    wait_s = int(refused.headers["Retry-After"])
    assert refused.json["retry_after"] == wait_s
    assert abs((midnight - datetime.now(UTC)).total_seconds() - wait_s) < 30
