"""Merge and replace of an entity (CIM 009 V1.9.1, 5.5.12, 5.6.17, 5.6.18, 6.5.3.3, 6.5.3.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_5_6_2_attributes import NULL, ONE, made, number, refused, seen
from tests.fixtures.broker import Api


async def merged(api: Api, body: Any, query: str = "") -> None:
    answer = await api.call("PATCH", ONE + query, body)
    assert (answer.status, answer.body) == (204, b""), answer.body


async def test_merge_keeps_what_it_does_not_name(api: Api) -> None:
    await made(api, a=number(25, unitCode="CEL", observedAt="2022-03-14T01:59:26Z"), b=number(1))
    await merged(api, {"a": {"type": "Property", "value": 100, "observedAt": "2022-03-14T13:00:00Z"}, "type": "U"})
    expected = number(100, unitCode="CEL", observedAt="2022-03-14T13:00:00Z")
    assert await seen(api) == {"a": expected, "b": number(1)}
    assert (await api.get(ONE)).json["type"] == ["T", "U"]


async def test_merge_goes_into_values_and_nulls_remove(api: Api) -> None:
    address = {"street": "Straße des 17. Juni", "city": "Berlin", "country": "Germany", "geo": {"a": 1, "b": 2}}
    await made(api, address=number(address), j={"type": "JsonProperty", "json": {"x": 1, "y": {"z": 1}}})
    value = {"street": "Pariser Platz", "country": NULL, "geo": {"b": NULL, "c": [1]}}
    await merged(api, {"address": {"type": "Property", "value": value}, "j": {"json": {"y": {"z": NULL, "w": 2}}}})
    assert await seen(api) == {
        "address": number({"street": "Pariser Platz", "city": "Berlin", "geo": {"a": 1, "c": [1]}}),
        "j": {"type": "JsonProperty", "json": {"x": 1, "y": {"w": 2}}},
    }


async def test_merge_of_sub_attributes_and_members(api: Api) -> None:
    await made(api, a=number(1, unitCode="CEL", s=number({"x": 1, "y": 2}, unitCode="KMH"), t=number(1)))
    await merged(api, {"a": {"unitCode": NULL, "s": {"value": {"x": NULL}}, "t": NULL, "u": 5}})
    assert await seen(api) == {"a": number(1, s=number({"y": 2}, unitCode="KMH"), u=number(5))}


async def test_merge_removes_attributes_datasets_scope(api: Api) -> None:
    await made(api, a=[number(1), number(2, datasetId="urn:d:1")], b=number(1), c=number(1), scope="/s")
    language = {"type": "LanguageProperty", "languageMap": {"@none": NULL}}
    await merged(api, {"a": number(NULL, datasetId="urn:d:1"), "b": NULL, "c": language, "scope": NULL, "x": NULL})
    assert await seen(api) == {"a": number(1)}


async def test_merge_of_simplified_values_preserves_the_kind(api: Api) -> None:
    kinds: dict[str, Any] = {
        "p": number(1, unitCode="CEL"),
        "r": {"type": "Relationship", "object": "urn:x:2", "objectType": "V"},
        "g": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
        "l": {"type": "LanguageProperty", "languageMap": {"en": "a", "fr": "b"}},
        "v": {"type": "VocabProperty", "vocab": "one"},
        "j": {"type": "JsonProperty", "json": {"a": 1}},
        "q": {"type": "ListProperty", "valueList": [1]},
        "o": {"type": "ListRelationship", "objectList": [{"object": "urn:x:3"}]},
        "d": [number(1), number(2, datasetId="urn:d:1")],
    }
    await made(api, **kinds)
    body = {
        "p": 2,
        "r": "urn:x:4",
        "g": {"type": "Point", "coordinates": [3, 4]},
        "l": "c",
        "v": {"vocab": "two"},
        "j": {"json": {"b": 2}},
        "q": [2, 3],
        "o": ["urn:x:5"],
        "d": {"dataset": {"@none": 5, "urn:d:1": 6}},
        "n": "new",
        "h": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
    }
    await merged(api, body, "?options=keyValues&lang=fr")
    assert await seen(api) == {
        "p": number(2, unitCode="CEL"),
        "r": {"type": "Relationship", "object": "urn:x:4", "objectType": "V"},
        "g": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [3, 4]}},
        "l": {"type": "LanguageProperty", "languageMap": {"en": "a", "fr": "c"}},
        "v": {"type": "VocabProperty", "vocab": "two"},
        "j": {"type": "JsonProperty", "json": {"a": 1, "b": 2}},
        "q": {"type": "ListProperty", "valueList": [2, 3]},
        "o": {"type": "ListRelationship", "objectList": [{"object": "urn:x:5"}]},
        "d": [number(5), number(6, datasetId="urn:d:1")],
        "n": number("new"),
        "h": {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}},
    }


@pytest.mark.parametrize("query", ["?format=simplified", "?options=simplified", "?format=keyValues&options=concise"])
async def test_format_goes_before_options(api: Api, query: str) -> None:
    await made(api, r={"type": "Relationship", "object": "urn:x:2"})
    await merged(api, {"r": "urn:x:3"}, query)
    assert await seen(api) == {"r": {"type": "Relationship", "object": "urn:x:3"}}


async def test_observed_at_is_for_attributes_that_have_one(api: Api) -> None:
    await made(
        api, a=number(1, observedAt="2022-01-01T00:00:00Z"), b=number(1), c=number(1, observedAt="2022-01-01T00:00:00Z")
    )
    body = {"a": {"value": 2}, "b": {"value": 2}, "c": {"value": 2, "observedAt": "2022-03-01T00:00:00Z"}, "d": 4}
    await merged(api, body, "?observedAt=2022-02-01T00:00:00Z")
    assert await seen(api) == {
        "a": number(2, observedAt="2022-02-01T00:00:00Z"),
        "b": number(2),
        "c": number(2, observedAt="2022-03-01T00:00:00Z"),
        "d": number(4),
    }


async def test_merge_refuses_and_changes_nothing(api: Api) -> None:
    await made(api, a=number(1), r={"type": "Relationship", "object": "urn:x:2"})
    before = await seen(api)
    bodies: tuple[Any, ...] = (
        {"a": {"type": "Relationship", "object": "urn:x:9"}, "b": 1},
        {"r": {"object": "no uri"}},
        {"r": 5},
        {"a": {"datasetId": NULL, "value": 1}},
        {"a": None},
        {"id": "urn:x:2", "a": 1},
        {"expiresAt": "soon"},
        {"bad name": 1},
        [],
    )
    for body in bodies:
        refused(await api.call("PATCH", ONE, body), 400, "BadRequestData")
    refused(await api.call("PATCH", ONE + "?observedAt=x", {"a": 2}), 400, "BadRequestData")
    refused(await api.call("PATCH", ONE + "?lang=%20", {"a": 2}), 400, "BadRequestData")
    refused(await api.call("PATCH", ONE + "?format=geo", {"a": 2}), 400, "BadRequestData")
    refused(await api.call("PATCH", ONE + "?type=U", {"a": 2}), 404, "ResourceNotFound")
    refused(await api.call("PATCH", "/entities/urn:x:2", {"a": 2}), 404, "ResourceNotFound")
    refused(await api.call("PATCH", "/entities/", {"a": 2}), 400, "BadRequestData")
    assert await seen(api) == before


async def test_merge_patch_json_is_json(api: Api) -> None:
    await made(api, a=number(1))
    headers = {"Content-Type": "application/merge-patch+json"}
    assert (await api.call("PATCH", ONE, {"a": 2}, headers)).status == 204
    assert await seen(api) == {"a": number(2)}


async def test_replace_leaves_nothing_but_created_at(api: Api) -> None:
    await made(api, a=number(1), b=number(1), scope="/s")
    created = (await api.get(ONE + "?options=sysAttrs")).json["createdAt"]
    answer = await api.call("PUT", ONE, {"id": "urn:x:1", "type": "U", "b": 2})
    assert (answer.status, answer.body) == (204, b"")
    assert (await api.get(ONE)).json == {"id": "urn:x:1", "type": "U", "b": number(2)}
    assert (await api.get(ONE + "?options=sysAttrs")).json["createdAt"] == created
    assert (await api.get("/entities?type=T")).json == []
    assert len((await api.get("/entities?type=U")).json) == 1


async def test_replace_refuses(api: Api) -> None:
    await made(api, a=number(1))
    refused(await api.call("PUT", "/entities/urn:x:2", {"id": "urn:x:2", "type": "T"}), 404, "ResourceNotFound")
    refused(await api.call("PUT", ONE, {"id": "urn:x:2", "type": "T"}), 400, "BadRequestData")
    refused(await api.call("PUT", ONE, {"type": "T", "a": NULL}), 400, "BadRequestData")
    refused(await api.call("PUT", ONE + "?type=U", {"type": "T"}), 404, "ResourceNotFound")
    refused(await api.call("PUT", "/entities/", {"type": "T"}), 400, "BadRequestData")
    assert await seen(api) == {"a": number(1)}
