"""Batch update and batch merge (CIM 009 V1.9.1, 5.5.11, 5.6.9, 5.6.20, 6.16, 6.31)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_5_6_2_attributes import ERRORS, NULL, number
from tests.fixtures.broker import Api

UPDATE = "/entityOperations/update"
MERGE = "/entityOperations/merge"
A, B, C = "urn:x:a", "urn:x:b", "urn:x:c"


async def stored(api: Api) -> dict[str, Any]:
    return {one.pop("id"): one for one in (await api.get("/entities?type=T")).json}


async def made(api: Api) -> None:
    batch = [{"id": one, "type": "T", "v": number(1, unitCode="CEL")} for one in (A, B)]
    assert (await api.post("/entityOperations/create", batch)).status == 201


@pytest.mark.parametrize("path", [UPDATE, UPDATE + "/"])
async def test_update_appends_and_overwrites(api: Api, path: str) -> None:
    await made(api)
    answer = await api.post(path, [{"id": A, "type": "U", "v": number(2)}, {"id": B, "w": number(2)}])
    assert (answer.status, answer.body) == (204, b"")
    assert await stored(api) == {
        A: {"type": ["T", "U"], "v": number(2)},
        B: {"type": "T", "v": number(1, unitCode="CEL"), "w": number(2)},
    }


async def test_update_without_overwrite_tells_what_stayed(api: Api) -> None:
    await made(api)
    answer = await api.post(UPDATE + "?options=noOverwrite", [{"id": A, "v": number(2), "w": 2}, {"id": B, "w": 2}])
    assert (answer.status, answer.json["success"]) == (207, [B])
    (error,) = answer.json["errors"]
    assert (error["entityId"], error["error"]["type"]) == (A, ERRORS + "AlreadyExists")
    assert error["error"]["detail"] == f"{A} has v, which noOverwrite leaves as is"
    expected = {"type": "T", "v": number(1, unitCode="CEL"), "w": number(2)}
    assert await stored(api) == {A: expected, B: expected}


async def test_merge_merges_each_in_order(api: Api) -> None:
    await made(api)
    batch = [
        {"id": A, "v": {"value": 2}},
        {"id": B, "v": NULL, "w": 1},
        {"id": A, "type": "T", "v": {"unitCode": NULL}},
    ]
    answer = await api.post(MERGE, batch)
    assert (answer.status, answer.body) == (204, b"")
    assert await stored(api) == {A: {"type": "T", "v": number(2)}, B: {"type": "T", "w": number(1)}}


@pytest.mark.parametrize("path", [UPDATE, MERGE])
async def test_207_names_each_error_and_writes_the_rest(api: Api, path: str) -> None:
    await made(api)
    batch = [{"id": A, "v": 2}, {"id": C, "v": 2}, {"id": B, "v": {"object": "no uri"}}, {"v": 1}]
    answer = await api.post(path, batch)
    assert (answer.status, answer.json["success"]) == (207, [A])
    found = {one["entityId"]: one["error"]["type"].removeprefix(ERRORS) for one in answer.json["errors"]}
    assert found == {C: "ResourceNotFound", B: "BadRequestData", "": "BadRequestData"}
    state = await stored(api)
    assert {name: one["v"]["value"] for name, one in state.items()} == {A: 2, B: 1}


@pytest.mark.parametrize("path", [UPDATE, MERGE])
@pytest.mark.parametrize("body", [[], [None], {}, [{"id": A, "v": 1}, None]])
async def test_400_for_what_is_no_batch(api: Api, path: str, body: Any) -> None:
    await made(api)
    answer = await api.post(path, body)
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")
    assert (await stored(api))[A]["v"]["value"] == 1
    assert (await api.post(path + "?options=replace", [{"id": A, "v": 2}])).status == 400
