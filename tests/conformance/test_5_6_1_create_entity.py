"""Create Entity (CIM 009 V1.9.1, 5.6.1, 6.4.3.1)."""

from __future__ import annotations

from tests.fixtures.broker import Api

VEHICLE = {
    "id": "urn:ngsi-ld:Vehicle:A1",
    "type": "Vehicle",
    "speed": {"type": "Property", "value": 55, "unitCode": "KMH", "observedAt": "2026-11-22T05:00:00Z"},
}


async def test_answers_201_with_a_relative_location_and_no_body(api: Api) -> None:
    answer = await api.post("/entities", VEHICLE)
    assert (answer.status, answer.reason, answer.body) == (201, "Created", b"")
    assert answer.headers["Location"] == "/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:A1"
    assert "Link" not in answer.headers
    assert answer.headers["NGSILD-Tenant"] == api.tenant
    found = await api.get("/entities/urn:ngsi-ld:Vehicle:A1")
    assert found.json == VEHICLE
