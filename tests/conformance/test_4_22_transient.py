"""Transient entities and attributes (CIM 009 V1.9.1, 4.22)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.test_5_6_2_attributes import ONE, made, number, seen
from tests.fixtures.broker import Api


def soon(seconds: float = 1.0) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


async def over(at: str) -> None:
    await asyncio.sleep((datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds() + 0.02)


async def test_an_entity_is_gone_at_its_instant_and_its_id_is_free(api: Api) -> None:
    at = soon()
    await made(api, a=number(1), expiresAt=at)
    assert (await api.get(ONE)).status == 200
    await over(at)
    assert (await api.get(ONE)).status == 404
    assert (await api.get("/entities?type=T")).json == []
    assert (await api.call("PATCH", ONE, {"a": 2})).status == 404
    await made(api, a=number(2))
    assert await seen(api) == {"a": number(2)}


async def test_an_expiry_comes_and_goes_with_merges(api: Api) -> None:
    await made(api, a=number(1), expiresAt=soon(60))
    assert (await api.call("PATCH", ONE, {"expiresAt": "urn:ngsi-ld:null"})).status == 204
    assert "expiresAt" not in (await api.get(ONE + "?options=sysAttrs")).json
    assert (await api.call("PATCH", ONE, {"expiresAt": "2020-01-01T00:00:00Z"})).status == 204
    assert (await api.get(ONE)).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/attrs/a", {"unitCode": "CEL"}, 404),
        ("PUT", "/attrs/a", {"value": 2}, 404),
        ("DELETE", "/attrs/a", None, 404),
        ("POST", "/attrs?options=noOverwrite", {"a": 2}, 204),
    ],
)
async def test_an_expired_attribute_is_as_if_there_were_none(
    api: Api, method: str, path: str, body: Any, status: int
) -> None:
    await made(api, a=number(1, expiresAt="2020-01-01T00:00:00Z"), b=number(1))
    assert (await api.call(method, ONE + path, body)).status == status
    assert await seen(api) == ({"b": number(1), "a": number(2)} if status == 204 else {"b": number(1)})


async def test_attributes_and_instances_are_gone_at_their_instant(api: Api) -> None:
    at = soon()
    several = [number(1, datasetId="urn:d:1", expiresAt=at), number(2, datasetId="urn:d:2")]
    relation = {"type": "Relationship", "object": "urn:x:2", "expiresAt": at}
    await made(api, a=number(1, expiresAt=at), b=number(1), r=relation, d=several)
    assert (await seen(api)).keys() == {"a", "b", "r", "d"}
    await over(at)
    expected = {"b": number(1), "d": several[1]}
    assert await seen(api) == expected
    for query in ("?options=sysAttrs", "?options=keyValues", "?format=concise"):
        assert (await seen(api, query)).keys() - {"createdAt", "modifiedAt"} == {"b", "d"}
    (found,) = (await api.get("/entities?type=T")).json
    assert found == {"id": "urn:x:1", "type": "T", **expected}
