"""Batch create, upsert and delete (CIM 009 V1.9.1, 5.6.7, 5.6.8, 5.6.10, 6.14, 6.15, 6.17, 5.5.11)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
CREATE, UPSERT, DELETE = "/entityOperations/create", "/entityOperations/upsert", "/entityOperations/delete"


def thing(name: str, **attrs: Any) -> dict[str, Any]:
    return {"id": f"urn:x:{name}", "type": "T"} | {
        key: {"type": "Property", "value": value} for key, value in attrs.items()
    }


async def test_create_answers_201_with_the_ids(api: Api) -> None:
    answer = await api.post(CREATE, [thing("b"), thing("a")])
    assert (answer.status, answer.json) == (201, ["urn:x:b", "urn:x:a"])
    assert answer.headers["Content-Type"] == "application/json"


async def test_create_answers_207_for_what_exists_and_keeps_it(api: Api) -> None:
    await api.post("/entities", thing("a", v=1))
    answer = await api.post(CREATE, [thing("a", v=2), thing("b"), thing("b", v=3)])
    assert answer.status == 207
    assert answer.json["success"] == ["urn:x:b"]
    assert [(one["entityId"], one["error"]["type"], one["error"]["status"]) for one in answer.json["errors"]] == [
        ("urn:x:a", ERRORS + "AlreadyExists", 409),
        ("urn:x:b", ERRORS + "AlreadyExists", 409),
    ]
    assert (await api.get("/entities?type=T")).json == [thing("a", v=1), thing("b")]


async def test_upsert_answers_201_with_the_created_only(api: Api) -> None:
    await api.post("/entities", thing("a", v=1))
    answer = await api.post(UPSERT, [thing("a", v=2), thing("b", v=3)])
    assert (answer.status, answer.json) == (201, ["urn:x:b"])


async def test_upsert_answers_204_where_all_existed_and_replaces_them(api: Api) -> None:
    await api.post(CREATE, [thing("a", v=1, w=1), thing("b", v=1)])
    answer = await api.post(UPSERT, [thing("a", v=2), thing("b", v=2)])
    assert (answer.status, answer.body) == (204, b"")
    assert "Content-Length" not in answer.headers
    assert (await api.get("/entities?type=T")).json == [thing("a", v=2), thing("b", v=2)]


async def test_upsert_with_options_update_keeps_what_is_not_named(api: Api) -> None:
    await api.post(CREATE, [thing("a", v=1, w=1)])
    answer = await api.post(UPSERT + "?options=update", [{**thing("a", v=2), "type": "U"}])
    assert answer.status == 204
    found = (await api.get("/entities/urn:x:a")).json
    assert found == {**thing("a", v=2, w=1), "type": ["T", "U"]}


async def test_upsert_answers_207_with_each_error(api: Api) -> None:
    await api.post("/entities", thing("a", v=1))
    broken = {"id": "urn:x:c", "type": "T", "v": {"type": "Property"}}
    answer = await api.post(UPSERT, [thing("a", v=2), broken, thing("b"), {"type": "T"}])
    assert answer.status == 207
    assert sorted(answer.json["success"]) == ["urn:x:a", "urn:x:b"]
    assert [(one["entityId"], one["error"]["type"]) for one in answer.json["errors"]] == [
        ("urn:x:c", ERRORS + "BadRequestData"),
        ("", ERRORS + "BadRequestData"),
    ]
    assert "v.value" in answer.json["errors"][0]["error"]["detail"]
    assert answer.headers["Content-Type"] == "application/json"
    assert (await api.get("/entities/urn:x:c")).status == 404


async def test_the_same_entity_twice_applies_in_order(api: Api) -> None:
    answer = await api.post(UPSERT, [thing("a", v=1, w=1), thing("a", v=2)])
    assert (answer.status, answer.json) == (201, ["urn:x:a"])
    assert (await api.get("/entities/urn:x:a")).json == thing("a", v=2)


@pytest.mark.parametrize("path", [CREATE, UPSERT, DELETE])
@pytest.mark.parametrize("body", [[], [None], {}, "text", ["urn:x:1", None]])
async def test_400_for_what_is_no_batch(api: Api, path: str, body: Any) -> None:
    await api.post("/entities", thing("a"))
    answer = await api.post(path, body)
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")


async def test_400_beyond_the_bound_and_for_unknown_options(api: Api) -> None:
    await api.post("/entities", thing("a"))
    assert (await api.post(UPSERT, [thing(str(n)) for n in range(1001)])).status == 400
    assert (await api.post(UPSERT + "?options=merge", [thing("a")])).status == 400
    assert (await api.post(CREATE + "?options=update", [thing("a")])).status == 400


async def test_each_item_brings_its_context_in_ld_json(api: Api) -> None:
    one = {**thing("a", v=1), "@context": {"v": "https://one.example/v"}}
    two = {**thing("b", v=1), "@context": {"v": "https://two.example/v"}}
    answer = await api.post(UPSERT, [one, two, thing("c")], Content_Type="application/ld+json")
    assert answer.status == 207
    assert [error["entityId"] for error in answer.json["errors"]] == ["urn:x:c"]
    found = (await api.get("/entities?type=T")).json
    assert [sorted(set(one) - {"id", "type"}) for one in found] == [
        ["https://one.example/v"],
        ["https://two.example/v"],
    ]


async def test_delete_answers_204_or_207(api: Api) -> None:
    await api.post(CREATE, [thing("a"), thing("b"), thing("c")])
    answer = await api.post(DELETE, ["urn:x:a", "urn:x:b"])
    assert (answer.status, answer.body) == (204, b"")
    answer = await api.post(DELETE, ["urn:x:b", "urn:x:c", "no uri"])
    assert answer.status == 207
    assert answer.json["success"] == ["urn:x:c"]
    assert sorted((one["entityId"], one["error"]["type"]) for one in answer.json["errors"]) == [
        ("no uri", ERRORS + "BadRequestData"),
        ("urn:x:b", ERRORS + "ResourceNotFound"),
    ]
    assert (await api.get("/entities?type=T")).json == []
