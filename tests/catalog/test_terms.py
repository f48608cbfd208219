"""Which published agreements count as covering a type."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.terms import read_terms
from tests.catalog.samples import NOW, VEHICLE, WEATHER, domain


def _agreement(**changes: Any) -> dict[str, Any]:
    return {
        "uid": "urn:agreement:public",
        "version": 2,
        "status": "active",
        "assignee": "tier:public",
        "valid": {"from": "2026-01-01T00:00:00Z", "until": "2031-01-01T00:00:00Z"},
        "permission": [{"action": ["read", "temporal"], "target": {"types": [VEHICLE]}}],
        **changes,
    }


def _types(given: dict[str, Any]) -> list[tuple[str, ...]]:
    return [a.types for a in read_terms(domain(), {"agreements": [given]}, NOW)]


def test_an_agreement_in_force_covers_its_types() -> None:
    """Types of all its reading permissions, each once."""
    both = [
        {"action": "read", "target": {"types": [VEHICLE]}},
        {"action": ["export"], "target": {"types": [VEHICLE, WEATHER]}},
    ]
    assert _types(_agreement(permission=both)) == [(VEHICLE, WEATHER)]


def test_without_types_it_is_the_whole_domain() -> None:
    """A permission without types is for all types of the domain."""
    assert _types(_agreement(permission=[{"action": ["read"]}])) == [(VEHICLE, WEATHER)]


@pytest.mark.parametrize("status", ["offered", "applied", "suspended", "revoked", "expired"])
def test_only_active_agreements_count(status: str) -> None:
    """What is not active covers nothing."""
    assert _types(_agreement(status=status)) == []


@pytest.mark.parametrize(
    "valid",
    [
        {"from": "2027-01-01T00:00:00Z"},
        {"until": "2026-11-22T12:00:00Z"},
        {"from": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"},
    ],
)
def test_only_within_its_time(valid: dict[str, str]) -> None:
    """Before it begins and from its end on it covers nothing."""
    assert _types(_agreement(valid=valid)) == []


def test_publishing_alone_is_not_covered_use() -> None:
    """A right to deliver data says nothing about who may read it."""
    assert _types(_agreement(permission=[{"action": ["publish"], "target": {"types": [VEHICLE]}}])) == []


def test_purposes_and_end_are_kept() -> None:
    """For the policy gate's expiry and for the catalog's pages."""
    purpose = {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["dpv:A", "dpv:B"]}
    permission = [{"action": ["read"], "target": {"types": [VEHICLE]}, "constraint": [purpose]}]
    (found,) = read_terms(domain(), {"agreements": [_agreement(permission=permission)]}, NOW)
    assert found.purposes == ("dpv:A", "dpv:B")
    assert found.until is not None
    assert found.until - NOW > timedelta(days=1000)
