"""Delete Entity (CIM 009 V1.9.1, 5.6.6, 6.5.3.2)."""

from __future__ import annotations

from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


async def test_204_and_gone(api: Api) -> None:
    await api.post("/entities", {"id": "urn:x:1", "type": "T"})
    answer = await api.call("DELETE", "/entities/urn:x:1")
    assert (answer.status, answer.reason, answer.body) == (204, "No Content", b"")
    assert "Content-Length" not in answer.headers
    assert (await api.get("/entities/urn:x:1")).status == 404
    assert (await api.get("/entities?type=T")).json == []
    again = await api.call("DELETE", "/entities/urn:x:1")
    assert (again.status, again.json["type"]) == (404, ERRORS + "ResourceNotFound")
    assert (await api.post("/entities", {"id": "urn:x:1", "type": "T"})).status == 201


async def test_another_type_is_404_and_deletes_nothing(api: Api) -> None:
    await api.post("/entities", {"id": "urn:x:1", "type": "T"})
    assert (await api.call("DELETE", "/entities/urn:x:1?type=U")).status == 404
    assert (await api.get("/entities/urn:x:1")).status == 200
    assert (await api.call("DELETE", "/entities/urn:x:1?type=T")).status == 204


async def test_a_wrong_id_is_400(api: Api) -> None:
    await api.post("/entities", {"id": "urn:x:1", "type": "T"})
    answer = await api.call("DELETE", "/entities/noUri")
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")
    assert (await api.call("DELETE", "/entities/urn:x:1?force=1")).status == 400
