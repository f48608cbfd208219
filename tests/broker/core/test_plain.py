"""Plain instances: the quick look passes nothing that the full check refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.errors import BadRequestData
from broker.core.ids import NULL
from broker.core.plain import is_attribute_name, is_plain
from broker.core.validate import check_attribute, check_doc
from tests.strategies.entities import NS, instances

A = NS + "a"
_PARTS: dict[str, list[Any]] = {
    "type": ["Property", "Property", "Relationship", "GeoProperty", "JsonProperty", "Other", 5, ["Property"]],
    "value": [
        1, 1.5, True, "x", "", NULL, None, [], [1], {"a": 1}, float("inf"),
        {"type": "Point", "coordinates": [1, 2.5]}, {"type": "Point", "coordinates": [181, 2]},
        {"type": "Point", "coordinates": [1, 2, 3]}, {"type": "Point", "coordinates": [True, 2]},
        {"type": "Point", "coordinates": [1, -90.1]}, {"type": "Point", "coordinates": [float("nan"), 0]},
        {"type": "Point", "coordinates": [1, 2], "bbox": []}, {"type": "Point"},
        {"type": "Line", "coordinates": [1, 2]},
    ],
    "object": ["urn:x:1", "nothing", NULL, ["urn:x:1"], [], 5, None],
    "unitCode": ["CEL", "", 5, None],
    "observedAt": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00,5Z", "2026-13-01T00:00:00Z", "today", 5, None],
    "datasetId": ["urn:d:1"],
    "createdAt": ["2026-01-01T00:00:00Z"],
    NS + "sub": [{"type": "Property", "value": 1}],
}  # fmt: skip


@st.composite
def odd(draw: st.DrawFn) -> dict[str, Any]:
    """Instances, mostly with a fault."""
    names = draw(st.lists(st.sampled_from(list(_PARTS)), unique=True, max_size=4))
    return {name: draw(st.sampled_from(_PARTS[name])) for name in {"type": None, **dict.fromkeys(names)}}


@settings(max_examples=1500, deadline=None)
@given(st.one_of(odd(), instances()))
def test_what_is_plain_has_no_fault(one: dict[str, Any]) -> None:
    if is_plain(one):
        check_attribute(A, one)
        check_attribute(A, one, nulls="update")
        assert not set(one) - {"type", "value", "object", "unitCode", "observedAt"}


@settings(max_examples=500, deadline=None)
@given(odd(), st.sampled_from([A, "speed", "value", "", "no uri"]))
def test_an_entity_is_refused_for_the_same_fault(one: dict[str, Any], name: str) -> None:
    def fault(check: Any) -> str | None:
        try:
            check()
        except BadRequestData as error:
            return error.detail
        return None

    doc = {"id": "urn:x:1", "type": [NS + "T"], name: one}
    assert fault(lambda: check_doc(doc)) == fault(lambda: check_attribute(name, one))


@pytest.mark.parametrize(
    "one",
    [
        {"type": "Property", "value": 21.5, "unitCode": "CEL", "observedAt": "2026-01-01T00:00:00Z"},
        {"type": "Property", "value": False},
        {"value": "x", "type": "Property"},
        {"type": "Relationship", "object": "urn:x:1", "observedAt": "2026-01-01T00:00:00.5Z"},
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-180, 90]}},
    ],
)
def test_the_common_shapes_are_plain(one: dict[str, Any]) -> None:
    assert is_plain(one)


def test_attribute_names() -> None:
    assert is_attribute_name(A)
    assert not any(is_attribute_name(name) for name in ("type", "id", "scope", "expiresAt", "value", "speed", "no uri"))
