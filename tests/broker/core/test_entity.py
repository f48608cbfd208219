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
    ("value", "found"),
    [
        ({"type": "Property", "value": 1}, [("", 1)]),
        ({"type": "Property", "value": 1, "datasetId": "urn:d:1"}, [("urn:d:1", 1)]),
        (
            [{"type": "Property", "value": 1, "datasetId": "urn:d:1"}, {"type": "Property", "value": 2}],
            [("urn:d:1", 1), ("", 2)],
        ),
        ([{"type": "Property", "value": 1, "datasetId": "urn:d:1"}], [("urn:d:1", 1)]),
    ],
    ids=["one", "one of a dataset", "two", "a list of one"],
)
def test_instances(value: entity.Instance, found: list[tuple[str, int]]) -> None:
    assert [(entity.dataset_of(one), entity.primary(one)) for one in entity.instances(value)] == found


def test_attributes_are_what_is_no_member() -> None:
    doc = {"id": "urn:x:1", "type": ["t:t"], "scope": ["/a"], "expiresAt": "x", "a:b": {"type": "Property", "value": 1}}
    assert list(entity.attributes(doc)) == [("a:b", {"type": "Property", "value": 1})]
