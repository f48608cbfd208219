"""Identifiers and names."""

from __future__ import annotations

import pytest

from broker.core.errors import BadRequestData
from broker.core.ids import DEFAULT_TENANT, is_name, is_uri, parse_entity_id, parse_tenant, parse_uri


@pytest.mark.parametrize("text", ["urn:x:1", "https://a.example/b#c", "did:ex:1", "urn:日本:1", "a+b.c-d:x"])
def test_uris(text: str) -> None:
    assert is_uri(text)
    assert parse_entity_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "x", ":x", "urn:", "1a:x", "urn:a b", "urn:<a>", "urn:\x00", 'urn:"', "urn:x\n", None, 5, "u:" + "x" * 2048],
)
def test_what_is_no_uri(text: object) -> None:
    assert not is_uri(text)
    with pytest.raises(BadRequestData, match=r"^object: "):
        parse_uri(text, "object")


def test_null_identifies_nothing() -> None:
    with pytest.raises(BadRequestData, match="cannot identify an entity"):
        parse_entity_id("urn:ngsi-ld:null")


@pytest.mark.parametrize("text", ["a", "Straße_1", "ex:name", "https://a.example/x-y", "日本"])
def test_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "1a", "_a", "a b", "a-b", "a.b", "@type", "ex: a", "<a>"])
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_tenants() -> None:
    assert parse_tenant(None) == parse_tenant("") == DEFAULT_TENANT
    assert parse_tenant("city-1") == "city-1"
    for bad in ("a/b", "a b", "é", "x" * 64, "-a", "a\n"):
        with pytest.raises(BadRequestData, match="NGSILD-Tenant"):
            parse_tenant(bad)
