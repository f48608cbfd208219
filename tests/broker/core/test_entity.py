"""The entity's members and kinds stand in the core @context."""

from __future__ import annotations

import pytest

from broker.core import entity
from broker.core.entity import INSTANCE_MEMBERS, KINDS
from ontologies import load

TERMS = load.context(load.CORE_CONTEXT)["@context"]


def test_every_kind_and_member_is_a_core_term() -> None:
    for kind in KINDS.values():
        assert TERMS[kind.name] == f"ngsi-ld:{kind.name}"
        assert kind.member in TERMS
        assert kind.previous in TERMS
    assert INSTANCE_MEMBERS - set(TERMS) == {"entityIdSealed", "entityTypeSealed"}


@pytest.mark.parametrize(
    ("value", "default", "count"),
    [
        ({"type": "Property", "value": 1}, 1, 1),
        ({"type": "Property", "value": 1, "datasetId": "urn:d:1"}, None, 1),
        ([{"type": "Property", "value": 1, "datasetId": "urn:d:1"}, {"type": "Property", "value": 2}], 2, 2),
        ([{"type": "Property", "value": 1, "datasetId": "urn:d:1"}], None, 1),
    ],
)
def test_instances(value: entity.Instance, default: int | None, count: int) -> None:
    found = entity.default_instance(value)
    assert (found and entity.primary(found)) == default
    assert len(entity.instances(value)) == count


def test_attributes_are_what_is_no_member() -> None:
    doc = {"id": "urn:x:1", "type": ["t:t"], "scope": ["/a"], "expiresAt": "x", "a:b": {"type": "Property", "value": 1}}
    assert list(entity.attributes(doc)) == [("a:b", {"type": "Property", "value": 1})]
