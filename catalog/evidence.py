"""Evidence and verdicts as values, and what a stored verdict is worth at a later moment.

Each piece of evidence expires, so a verdict lapses by itself also when nobody assesses any more: `status_at` says what
it is worth later, and for freshness the expiry is the very moment at which the objective is missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from catalog.wording import duration

__all__ = [
    "DIMENSIONS",
    "METHOD",
    "Evidence",
    "Sources",
    "Status",
    "Value",
    "Verdict",
    "evidence_json",
    "evidence_of",
    "status_at",
]

Status: TypeAlias = Literal["governed", "not yet"]
Value: TypeAlias = str | float | int | None

METHOD = "catalog.readiness:2"
"""Module and version named in each evidence; raised whenever a gate's rule changes."""

DIMENSIONS = ("completeness", "timeliness", "validity", "uniqueness")
"""The dimensions of data quality that a domain may set targets for."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an outsider finds what the gates looked at; URLs with `{domain}` in them."""

    declaration: str
    agreements: str
    assessments: str
    origins: str
    feeds: str
    quality: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One gate's finding (CONTRACTS 9). `reason` is for people; `unit` says what value and target count; `why` is the
    city's own reason for the target."""

    domain: str
    gate: str
    value: Value
    target: Value
    unit: str
    at: datetime
    expires: datetime
    source: str
    method: str
    passed: bool
    reason: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all gates of a domain say together at one moment."""

    domain: str
    at: datetime
    gates: tuple[Evidence, ...]

    @property
    def failing(self) -> tuple[str, ...]:
        """The gates that hold the domain back, in order."""
        return tuple(e.gate for e in self.gates if not e.passed)

    @property
    def status(self) -> Status:
        """`governed` when every gate passes, else `not yet`."""
        return "not yet" if self.failing or not self.gates else "governed"

    @property
    def expires(self) -> datetime:
        """When the first piece of evidence lapses."""
        return min((e.expires for e in self.gates), default=self.at)

    @property
    def reason(self) -> str:
        """The verdict in plain words."""
        if not self.gates:
            return "Not assessed yet."
        if not self.failing:
            return f"All {len(self.gates)} gates pass."
        return " ".join(e.reason for e in self.gates if not e.passed)


def evidence_json(e: Evidence) -> dict[str, Any]:
    """Evidence as the contract has it."""
    return {
        "domain": e.domain,
        "gate": e.gate,
        "value": e.value,
        "target": e.target,
        "unit": e.unit,
        "at": e.at,
        "expires": e.expires,
        "source": e.source,
        "method": e.method,
        "pass": e.passed,
        "reason": e.reason,
        "why": e.why,
    }


def evidence_of(given: Mapping[str, Any]) -> Evidence:
    """Read back what `evidence_json` gave, times as text. Raises KeyError, TypeError or ValueError where it is not."""
    return Evidence(
        str(given["domain"]),
        str(given["gate"]),
        given["value"],
        given["target"],
        str(given["unit"]),
        datetime.fromisoformat(given["at"]),
        datetime.fromisoformat(given["expires"]),
        str(given["source"]),
        str(given["method"]),
        given["pass"] is True,
        str(given["reason"]),
        given.get("why"),
    )


def status_at(verdict: Verdict, now: datetime) -> Verdict:
    """The verdict as it stands at a later moment: evidence that has expired since no longer passes."""
    renewed = max((e.expires for e in verdict.gates if e.unit == "declaration"), default=verdict.at)
    gates = tuple(_lapsed(e, now, renewed) if e.passed and e.expires <= now else e for e in verdict.gates)
    return replace(verdict, gates=gates)


def _lapsed(e: Evidence, now: datetime, renewed: datetime) -> Evidence:
    """Evidence that nobody renewed in time: what is missing. `renewed` is when plain declarations lapse."""
    since = (now - e.at).total_seconds()
    reason = f"The evidence for {e.gate} was last renewed {duration(since)} ago, which is too long."
    if e.gate in DIMENSIONS:
        reason = f"{e.gate.capitalize()} was last measured {duration(since)} ago, which is too long."
    if e.gate == "policy" and e.expires < renewed:
        reason = f"An agreement that covered its types ended at {_moment(e.expires)}; none follows it."
    if e.gate == "assessment" and e.expires < renewed:
        reason = f"The impact assessment ended at {_moment(e.expires)}; it has to be done anew."
    if e.gate != "freshness" or not isinstance(e.value, int | float) or not isinstance(e.target, int | float):
        return replace(e, passed=False, reason=reason)
    if since > e.target / 2:  # nobody has looked for long, so newer records may have come unseen
        reason = f"Nobody has looked for new records for {duration(since)}; the objective is {duration(e.target)}."
        return replace(e, passed=False, reason=reason)
    age = round(e.value + since, 1)
    reason = f"No new record for {duration(age)}; the objective is {duration(e.target)}."
    return replace(e, passed=False, value=age, reason=reason)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
