"""A verdict that lapses by itself is no lie: `verify` sees that it was signed, that it lapsed, and that it says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from catalog.evidence import evidence_json, status_at
from catalog.readiness import Verdict, assess
from catalog.sign import VerdictKey
from catalog.verify import _lapsed, _recomputed, _signed
from tests.catalog.samples import NOW, SOURCES, domain, harvest

VERDICT = assess(harvest(), NOW, SOURCES, 900.0)


def _shown(key: VerdictKey, verdict: Verdict, at: datetime) -> dict[str, Any]:
    now = status_at(verdict, at)
    found: dict[str, Any] = orjson.loads(
        orjson.dumps(
            {
                "domain": "mobility",
                "version": 1,
                "status": now.status,
                "failing": now.failing,
                "reason": now.reason,
                "gates": [evidence_json(e) for e in now.gates],
                "jws": key.sign(verdict, 1),
            }
        )
    )
    return found


def test_a_lapsed_verdict_holds(tmp_path: Path) -> None:
    """Nobody assesses any more; the sources are fine, and the catalog claims less than it could."""
    key = VerdictKey.load(tmp_path / "key")
    later = NOW + timedelta(minutes=5)
    shown = _shown(key, VERDICT, later)
    assert shown["failing"] == ["freshness"]
    assert _signed(shown, later, [key.jwk]) == []
    lapsed = _lapsed(shown, later, [key.jwk])
    assert lapsed == {"freshness"}
    assert _recomputed(shown, VERDICT, domain(), lapsed) == []


def test_shown_as_governed_after_it_lapsed_it_does_not_hold(tmp_path: Path) -> None:
    """Yesterday's verdict, validly signed, is not today's."""
    key = VerdictKey.load(tmp_path / "key")
    shown = _shown(key, VERDICT, NOW)
    (first, second) = _signed(shown, NOW + timedelta(days=1), [key.jwk])
    assert first.text == "the gates that are shown are not those that were signed"
    assert second.text == "it is shown as governed, but what was signed says not yet"


def test_a_failing_gate_that_should_pass_is_found(tmp_path: Path) -> None:
    """Also a verdict that makes a domain look worse than it is does not hold."""
    key = VerdictKey.load(tmp_path / "key")
    worse = assess(harvest(quality=()), NOW, SOURCES, 900.0)
    shown = _shown(key, worse, NOW)
    assert _signed(shown, NOW, [key.jwk]) == []
    assert [f.gate for f in _recomputed(shown, VERDICT, domain(), set())] == ["completeness", "validity", "verdict"]
