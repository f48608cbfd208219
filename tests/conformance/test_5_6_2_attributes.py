"""Update, append, partial update, delete, replace of attributes (CIM 009 V1.9.1, 5.6.2 to 5.6.5, 5.6.19, 6.6, 6.7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Answer, Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
NULL = "urn:ngsi-ld:null"
ONE = "/entities/urn:x:1"
ATTRS = ONE + "/attrs"


def number(value: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **members}


async def made(api: Api, **members: Any) -> None:
    assert (await api.post("/entities", {"id": "urn:x:1", "type": "T", **members})).status == 201


async def seen(api: Api, query: str = "") -> Any:
    found = (await api.get(ONE + query)).json
    return {name: value for name, value in found.items() if name not in ("id", "type")}


def refused(answer: Answer, status: int, error: str) -> None:
    assert (answer.status, answer.json["type"]) == (status, ERRORS + error)
    assert len({"", answer.json["title"], answer.json["detail"]}) == 3


# ---- append (5.6.3)


@pytest.mark.parametrize("path", [ATTRS, ATTRS + "/"])
async def test_append_adds_and_overwrites(api: Api, path: str) -> None:
    await made(api, a=number(1, unitCode="CEL"), b=number(1))
    answer = await api.post(path, {"a": number(2), "c": {"value": 3}, "type": "U", "scope": "/s"})
    assert (answer.status, answer.reason, answer.body) == (204, "No Content", b"")
    assert await seen(api) == {"a": number(2), "b": number(1), "c": number(3), "scope": "/s"}
    assert (await api.get(ONE)).json["type"] == ["T", "U"]


async def test_append_without_overwrite_says_what_stayed(api: Api) -> None:
    await made(api, a=number(1), scope="/s")
    body = {"a": number(2), "b": number(2), "scope": ["/t", "/s"]}
    answer = await api.post(ATTRS + "?options=noOverwrite", body)
    assert answer.status == 207
    assert answer.json["updated"] == [DEFAULT + "b"]
    assert [one["attributeName"] for one in answer.json["notUpdated"]] == [DEFAULT + "a"]
    assert await seen(api) == {"a": number(1), "b": number(2), "scope": ["/s", "/t"]}
    assert (await api.post(ATTRS + "?options=noOverwrite", {"c": number(1)})).status == 204


async def test_append_by_dataset_keeps_the_others(api: Api) -> None:
    await made(api, a=number(1))
    assert (await api.post(ATTRS, {"a": number(2, datasetId="urn:d:1")})).status == 204
    assert await seen(api) == {"a": [number(1), number(2, datasetId="urn:d:1")]}
    assert (await api.post(ATTRS, {"a": [number(3, datasetId="urn:d:1")]})).status == 204
    assert await seen(api) == {"a": [number(1), number(3, datasetId="urn:d:1")]}


async def test_created_at_stays_and_modified_at_moves(api: Api) -> None:
    await made(api, a=number(1))
    first = (await seen(api, "?options=sysAttrs"))["a"]
    assert (await api.post(ATTRS, {"a": number(2)})).status == 204
    second = (await seen(api, "?options=sysAttrs"))["a"]
    assert second["createdAt"] == first["createdAt"]
    assert second["modifiedAt"] > first["modifiedAt"]


async def test_append_refuses_nulls_and_what_is_wrong_and_changes_nothing(api: Api) -> None:
    await made(api, a=number(1))
    refused(await api.post(ATTRS, {"a": NULL}), 400, "BadRequestData")
    refused(await api.post(ATTRS, {"b": number(1), "c": {"type": "Property"}}), 400, "BadRequestData")
    refused(await api.post(ATTRS, {"id": "urn:x:2", "b": number(1)}), 400, "BadRequestData")
    refused(await api.post(ATTRS + "?options=replace", {"b": number(1)}), 400, "BadRequestData")
    refused(await api.post("/entities/urn:x:2/attrs", {"b": number(1)}), 404, "ResourceNotFound")
    refused(await api.post("/entities/noUri/attrs", {"b": number(1)}), 400, "BadRequestData")
    refused(await api.post("/entities//attrs/", {"b": number(1)}), 400, "BadRequestData")
    assert await seen(api) == {"a": number(1)}


# ---- update (5.6.2)


async def test_update_replaces_adds_and_removes(api: Api) -> None:
    await made(api, a=number(1, unitCode="CEL"), b=number(1), c={"type": "Relationship", "object": "urn:x:9"})
    body = {"a": number(2), "b": NULL, "c": {"type": "Relationship", "object": NULL}, "d": number(4), "e": NULL}
    answer = await api.call("PATCH", ATTRS + "/", body)
    assert (answer.status, answer.body) == (204, b"")
    assert await seen(api) == {"a": number(2), "d": number(4)}


async def test_update_replaces_a_scope_and_does_not_bring_one(api: Api) -> None:
    await made(api, a=number(1))
    answer = await api.call("PATCH", ATTRS, {"scope": "/s", "a": 2})
    assert (answer.status, answer.json["updated"]) == (207, [DEFAULT + "a"])
    assert [one["attributeName"] for one in answer.json["notUpdated"]] == ["scope"]
    assert await seen(api) == {"a": number(2)}
    assert (await api.post(ATTRS, {"scope": "/s"})).status == 204
    assert (await api.call("PATCH", ATTRS, {"scope": ["/t", "/u"]})).status == 204
    assert (await seen(api))["scope"] == ["/t", "/u"]
    assert (await api.call("PATCH", ATTRS, {"scope": NULL})).status == 204
    assert "scope" not in await seen(api)


async def test_update_removes_one_instance_by_its_dataset(api: Api) -> None:
    await made(api, a=[number(1), number(2, datasetId="urn:d:1"), number(3, datasetId="urn:d:2")])
    assert (await api.call("PATCH", ATTRS, {"a": number(NULL, datasetId="urn:d:1")})).status == 204
    assert await seen(api) == {"a": [number(1), number(3, datasetId="urn:d:2")]}
    assert (await api.call("PATCH", ATTRS, {"a": NULL})).status == 204
    assert await seen(api) == {"a": number(3, datasetId="urn:d:2")}


async def test_update_of_another_type_is_404(api: Api) -> None:
    await made(api, a=number(1))
    refused(await api.call("PATCH", ATTRS + "?type=U", {"a": number(2)}), 404, "ResourceNotFound")
    assert await seen(api) == {"a": number(1)}
    assert (await api.call("PATCH", ATTRS + "?type=U,T", {"a": number(2)})).status == 204


# ---- partial update (5.6.4)


async def test_partial_update_overwrites_members_and_keeps_the_rest(api: Api) -> None:
    await made(api, a=number(25, unitCode="CEL", observedAt="2022-03-14T01:59:26Z", s=number(1)))
    body = {"type": "Property", "value": 100, "observedAt": "2022-03-14T13:00:00Z"}
    assert (await api.call("PATCH", ATTRS + "/a", body)).status == 204
    expected = number(100, unitCode="CEL", observedAt="2022-03-14T13:00:00Z", s=number(1))
    assert await seen(api) == {"a": expected}
    assert (await api.call("PATCH", ATTRS + "/a/", {"unitCode": NULL, "s": number(2, unitCode="X")})).status == 204
    del expected["unitCode"]
    assert await seen(api) == {"a": {**expected, "s": number(2, unitCode="X")}}
    assert (await api.call("PATCH", ATTRS + "/a", {"s": NULL})).status == 204
    del expected["s"]
    assert await seen(api) == {"a": expected}


async def test_partial_update_of_each_kind_without_its_type(api: Api) -> None:
    await made(
        api,
        r={"type": "Relationship", "object": "urn:x:2"},
        g={"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
        l={"type": "LanguageProperty", "languageMap": {"en": "a"}},
        v={"type": "VocabProperty", "vocab": "one"},
        j={"type": "JsonProperty", "json": {"a": 1}},
        p={"type": "ListProperty", "valueList": [1]},
        o={"type": "ListRelationship", "objectList": ["urn:x:3"]},
    )
    parts: dict[str, dict[str, Any]] = {
        "r": {"object": "urn:x:4"},
        "g": {"value": {"type": "Point", "coordinates": [3, 4]}},
        "l": {"languageMap": {"fr": "b"}},
        "v": {"vocab": "two"},
        "j": {"json": {"b": None}},
        "p": {"valueList": [2, 3]},
        "o": {"objectList": [{"object": "urn:x:5"}]},
    }
    before = await seen(api)
    for name, part in parts.items():
        assert (await api.call("PATCH", f"{ATTRS}/{name}", part)).status == 204, name
    assert await seen(api) == {name: {**before[name], **part} for name, part in parts.items()}


async def test_partial_update_refuses_another_type_and_wrong_members(api: Api) -> None:
    await made(api, a=number(1), r={"type": "Relationship", "object": "urn:x:2"}, scope="/s")
    before = await seen(api)
    for name, part in [
        ("a", {"type": "Relationship", "object": "urn:x:9"}),
        ("a", {"object": "urn:x:9"}),
        ("a", {"datasetId": NULL}),
        ("a", {"observedAt": "yesterday"}),
        ("a", {"value": None}),
        ("a", {"s": {"type": "Property"}}),
        ("a", {}),
        ("a", []),
        ("r", {"unitCode": "CEL"}),
        ("r", {"object": "no uri"}),
        ("scope", {"value": "/t"}),
        ("a b", {"value": 1}),
        ("id", {"value": 1}),
    ]:
        refused(await api.call("PATCH", f"{ATTRS}/{name}", part), 400, "BadRequestData")
    refused(await api.call("PATCH", ATTRS + "/b", {"value": 1}), 404, "ResourceNotFound")
    refused(await api.call("PATCH", ATTRS + "/a", {"value": 1, "datasetId": "urn:d:1"}), 404, "ResourceNotFound")
    refused(await api.call("PATCH", "/entities/urn:x:2/attrs/a", {"value": 1}), 404, "ResourceNotFound")
    refused(await api.call("PATCH", "/entities//attrs/a", {"value": 1}), 400, "BadRequestData")
    refused(await api.call("PATCH", ATTRS + "/a?type=U", {"value": 1}), 404, "ResourceNotFound")
    assert await seen(api) == before


async def test_a_fault_in_a_part_names_the_member_as_sent(api: Api) -> None:
    await made(api, r={"type": "Relationship", "object": "urn:x:2"})
    answer = await api.call("PATCH", ATTRS + "/r", {"value": 1})
    assert answer.json["detail"] == "r.value: a Relationship has object instead"


# ---- replace (5.6.19)


async def test_replace_leaves_nothing_of_the_instance(api: Api) -> None:
    await made(api, a=[number(1, unitCode="CEL"), number(2, datasetId="urn:d:1", s=number(1))])
    assert (await api.call("PUT", ATTRS + "/a", {"value": 3, "datasetId": "urn:d:1"})).status == 204
    assert await seen(api) == {"a": [number(1, unitCode="CEL"), number(3, datasetId="urn:d:1")]}
    answer = await api.call("PUT", ATTRS + "/a/", {"type": "Relationship", "object": "urn:x:2"})
    assert (answer.status, answer.body) == (204, b"")
    expected = [{"type": "Relationship", "object": "urn:x:2"}, number(3, datasetId="urn:d:1")]
    assert await seen(api) == {"a": expected}


async def test_replace_needs_what_it_replaces(api: Api) -> None:
    await made(api, a=number(1), scope="/s")
    refused(await api.call("PUT", ATTRS + "/b", number(1)), 404, "ResourceNotFound")
    refused(await api.call("PUT", ATTRS + "/a", number(1, datasetId="urn:d:1")), 404, "ResourceNotFound")
    refused(await api.call("PUT", ATTRS + "/a?type=U", number(2)), 404, "ResourceNotFound")
    refused(await api.call("PUT", ATTRS + "/scope", number("/t")), 400, "BadRequestData")
    refused(await api.call("PUT", ATTRS + "/a", number(NULL)), 400, "BadRequestData")
    assert await seen(api) == {"a": number(1), "scope": "/s"}


# ---- delete (5.6.5)


async def test_delete_takes_the_default_instance_one_dataset_or_all(api: Api) -> None:
    several = [number(1), number(2, datasetId="urn:d:1"), number(3, datasetId="urn:d:2")]
    await made(api, a=several, b=several)
    answer = await api.call("DELETE", ATTRS + "/a")
    assert (answer.status, answer.body) == (204, b"")
    assert (await seen(api))["a"] == several[1:]
    assert (await api.call("DELETE", ATTRS + "/a?datasetId=urn:d:1")).status == 204
    assert (await seen(api))["a"] == several[2]
    assert (await api.call("DELETE", ATTRS + "/b/?deleteAll=true")).status == 204
    assert set(await seen(api)) == {"a"}


async def test_delete_of_a_scope_and_of_what_is_not_there(api: Api) -> None:
    await made(api, a=number(1), scope="/s")
    assert (await api.call("DELETE", ATTRS + "/scope")).status == 204
    assert await seen(api) == {"a": number(1)}
    for path in ("/scope", "/b", "/a?datasetId=urn:d:1", "/b?deleteAll=true", "/a?type=U"):
        refused(await api.call("DELETE", ATTRS + path), 404, "ResourceNotFound")
    refused(await api.call("DELETE", ATTRS + "/a?datasetId=x"), 400, "BadRequestData")
    refused(await api.call("DELETE", ATTRS + "/a?deleteAll=yes"), 400, "BadRequestData")
    refused(await api.call("DELETE", "/entities//attrs/a"), 400, "BadRequestData")
    assert (await api.call("DELETE", ATTRS + "/")).status == 405
    assert await seen(api) == {"a": number(1)}


async def test_an_entity_that_lost_its_last_attribute_is_still_there(api: Api) -> None:
    await made(api, a=number(1))
    assert (await api.call("DELETE", ATTRS + "/a")).status == 204
    assert (await api.get(ONE)).json == {"id": "urn:x:1", "type": "T"}
    assert (await api.get("/entities?type=T&q=a")).json == []
