"""Governed readiness: gates computed from evidence, never claimed.

Theory: a gate is a pure function of one harvest and the time (`catalog.gates`). It yields one piece of evidence: the
value found, the target, where it was read, until when it holds, whether it passes, and why in plain words. A verdict is
the list of them (`catalog.evidence`). Because a gate looks at nothing but what anybody can read over HTTP, an outsider
who reads the same comes to the same verdict: that is `catalog.verify`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from catalog import gates
from catalog.dataset import Harvest
from catalog.evidence import METHOD, Evidence, Sources, Status, Value, Verdict, status_at
from catalog.gates import Round
from catalog.wording import duration, exact_percent, percent

__all__ = [
    "GATES",
    "METHOD",
    "Evidence",
    "Sources",
    "Status",
    "Value",
    "Verdict",
    "assess",
    "duration",
    "exact_percent",
    "percent",
    "status_at",
]

GATES: tuple[tuple[str, Callable[[Round], Evidence | None]], ...] = (
    ("owner", gates.owner),
    ("steward", gates.steward),
    ("licence", gates.licence),
    ("purposes", gates.purposes),
    ("policy", gates.policy),
    ("assessment", gates.assessment),
    ("completeness", gates.completeness),
    ("timeliness", gates.timeliness),
    ("validity", gates.validity),
    ("uniqueness", gates.uniqueness),
    ("freshness", gates.freshness),
    ("retention", gates.retention),
    ("provenance", gates.provenance),
)
"""Every gate in the order in which people read them. Of the dimensions of quality, those count that have a target;
completeness must have one."""


def assess(harvest: Harvest, now: datetime, sources: Sources, ttl_s: float) -> Verdict:
    """Pass every gate over one harvest."""
    r = Round(harvest, now, timedelta(seconds=ttl_s), sources)
    found = (gate(r) for _, gate in GATES)
    return Verdict(harvest.domain.name, now, tuple(e for e in found if e is not None))
