"""OPA's answer read: grants for aggregates or coarser values show nothing under actions that cannot coarsen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policies.decision import ACTIONS, Action
from policies.pdp import decision
from policies.store.agreements import Concerning

COARSE: list[dict[str, Any]] = [
    {"aggregate_only": True},
    {"resolution": {"time": "PT1H"}},
    {"resolution": {"metres": 500}},
]
PLAIN = {"agreement": "urn:a", "version": 1, "types": ["https://example.org/T"]}
KNOWN = Concerning(agreements=[], domains=[], revision=7)
URL = "https://data.city.example"


def answer(*grants: dict[str, Any]) -> dict[str, Any]:
    return {"allow": True, "grants": list(grants), "prohibitions": [], "duties": []}


@pytest.mark.parametrize("limit", COARSE)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_coarser_grant_counts_where_it_can_be_kept(action: Action, limit: dict[str, Any]) -> None:
    found = decision(answer({**PLAIN, "agreement": "urn:coarse", **limit}, PLAIN), KNOWN, action, URL)
    shown = [grant.agreement for grant in found.access.grants]
    assert shown == (["urn:coarse", "urn:a"] if action in {"temporal", "aggregate"} else ["urn:a"])


@pytest.mark.parametrize("limit", COARSE)
def test_alone_it_is_a_refusal(limit: dict[str, Any]) -> None:
    until = "2026-12-01T00:00:00Z"
    found = decision({**answer({**PLAIN, **limit}), "until": until}, KNOWN, "read", URL)
    assert (found.allow, found.reason, found.access.grants) == (False, "no_agreement", ())
    assert found.apply_at == f"{URL}/trust/terms"
    assert found.until == datetime(2026, 12, 1, tzinfo=UTC)
