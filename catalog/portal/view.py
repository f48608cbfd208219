"""What pages and the readiness API show of a domain, as plain values; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.dataset import Dataset, DomainFacts, FeedStatus, local_name, words
from catalog.evidence import Evidence, Verdict, evidence_json, status_at
from catalog.store.rounds import Change, DomainRecord
from catalog.vocabulary import licence_label
from catalog.wording import duration, exact_percent, percent

__all__ = [
    "SHOWN",
    "DomainView",
    "GateView",
    "Segment",
    "domain_view",
    "evidence_json",
    "readiness_json",
    "timeline",
]

SHOWN = 20
"""Datasets on a domain's page."""

_LABELS = {
    "owner": "Owner",
    "steward": "Steward",
    "licence": "Licence",
    "purposes": "Purposes",
    "policy": "Agreements",
    "assessment": "Impact assessment",
    "completeness": "Completeness",
    "timeliness": "Timeliness",
    "validity": "Validity",
    "uniqueness": "Uniqueness",
    "freshness": "Freshness",
    "retention": "Retention",
    "provenance": "Provenance",
}


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate as people read it."""

    gate: str
    label: str
    passed: bool
    value: str
    target: str
    reason: str
    source: str
    expires: datetime
    at: datetime
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a timeline: from and to as shares (0..1) of the window, and what held."""

    start: float
    width: float
    status: str
    label: str


@dataclass(frozen=True, slots=True)
class DomainView:
    """One domain, judged at the moment of the page."""

    name: str
    title: str
    description: str
    classification: str
    owner_name: str
    steward_name: str
    contact: str | None
    verdict: Verdict
    since: datetime | None
    version: int
    gates: tuple[GateView, ...]
    datasets: tuple[Dataset, ...]
    feeds: tuple[FeedStatus, ...]
    history: tuple[Change, ...]
    timeline: tuple[Segment, ...]
    public: bool
    jws: str = ""

    @property
    def entities(self) -> int:
        """How many entities the domain holds."""
        return sum(d.count for d in self.datasets)

    @property
    def passing(self) -> int:
        """How many gates pass."""
        return sum(g.passed for g in self.gates)

    @property
    def governed(self) -> bool:
        """Whether the domain is at governed readiness now."""
        return self.verdict.status == "governed"

    @property
    def lapsed_at(self) -> datetime | None:
        """When the last verdict lapsed by itself, if it did: it said `governed`, and its evidence has ended since."""
        last = self.history[-1] if self.history else None
        return last.expires if last and last.status == "governed" and not self.governed else None


def domain_view(record: DomainRecord, datasets: Sequence[Dataset], now: datetime) -> DomainView:
    """Judge a stored domain at this moment and lay it out."""
    domain = record.harvest.domain
    verdict = status_at(record.verdict, now)
    return DomainView(
        domain.name,
        domain.title,
        domain.description or "",
        domain.classification,
        domain.owner_name or domain.owner or "nobody yet",
        domain.steward_name or domain.steward or "nobody yet",
        domain.contact,
        verdict,
        record.since,
        record.history[-1].version if record.history else 0,
        tuple(_gate(e, domain) for e in verdict.gates),
        tuple(datasets),
        record.harvest.feeds,
        record.history,
        timeline(record.history, now),
        any(d.public for d in datasets),
        record.history[-1].jws if record.history else "",
    )


def _gate(e: Evidence, domain: DomainFacts) -> GateView:
    value, target = _figures(e, domain)
    return GateView(
        e.gate, _LABELS.get(e.gate, e.gate), e.passed, value, target, e.reason, e.source, e.expires, e.at, e.why
    )


def _figures(e: Evidence, domain: DomainFacts) -> tuple[str, str]:
    """Value and target in words that fit a column; what is only to be declared has no target to show."""
    if e.unit == "seconds":
        age = _short(e.value) if isinstance(e.value, int | float) else "nothing yet"
        return age, f"at most {_short(e.target)}" if isinstance(e.target, int | float) else "not set"
    if e.unit == "share":
        share = percent(e.value) if isinstance(e.value, int | float) else "not measured"
        return share, f"at least {exact_percent(e.target)}" if isinstance(e.target, int | float) else "not set"
    if e.unit in ("types covered", "types with a declared origin"):
        return f"{e.value} of {e.target} types", "every type"
    if e.unit == "assessment":
        return "not required" if e.value == "not required" else "made" if e.value else "none", "current"
    return (_declared(e.gate, domain) if e.value else "not named"), ""


def _short(seconds: float) -> str:
    """A duration that fits a column: `4 s`, `3 min`, `2 h`, `1 day`."""
    number, unit = duration(seconds).split(" ")
    short = {"second": "s", "minute": "min", "hour": "h"}.get(unit.removesuffix("s"), unit)
    return f"{number} {short}"


def _declared(gate: str, domain: DomainFacts) -> str:
    """What the city declared, as people say it."""
    if gate == "owner":
        return domain.owner_name or domain.owner or ""
    if gate == "steward":
        return domain.steward_name or domain.steward or ""
    if gate == "licence":
        return licence_label(domain.licence or "")
    if gate == "retention":
        return "set"
    return ", ".join(words(local_name(p)).lower() for p in domain.purposes)


def timeline(history: Sequence[Change], now: datetime) -> tuple[Segment, ...]:
    """A domain's verdicts on a line from the first one known until now; unconfirmed time stays empty."""
    if not history:
        return ()
    first = history[0].since
    span = max((now - first).total_seconds(), 1.0)
    segments = []
    for i, change in enumerate(history):
        until = history[i + 1].since if i + 1 < len(history) else now if change.expires > now else change.last_at
        start, end = (change.since - first).total_seconds() / span, (until - first).total_seconds() / span
        label = f"{change.status} from {change.since:%Y-%m-%d %H:%M:%S} UTC"
        segments.append(Segment(round(start, 5), round(max(end - start, 0.002), 5), change.status, label))
    return tuple(segments)


def readiness_json(view: DomainView, history: bool = True) -> dict[str, Any]:
    """A domain's verdict with its evidence, for programs."""
    body: dict[str, Any] = {
        "domain": view.name,
        "title": view.title,
        "status": view.verdict.status,
        "version": view.version,
        "reason": view.verdict.reason,
        "failing": list(view.verdict.failing),
        "since": view.since,
        "at": view.verdict.at,
        "expires": view.verdict.expires,
        "entities": view.entities,
        "counts": {d.type: d.count for d in view.datasets},
        "gates": [evidence_json(e) for e in view.verdict.gates],
        "jws": view.jws,
        "feeds": [
            {
                "feed": f.feed,
                "status": f.status,
                "received": f.received,
                "mapped": f.mapped,
                "rejected": f.rejected,
                "lastRecordAt": f.last_record_at,
            }
            for f in view.feeds
        ],
    }
    if history:
        body["history"] = [
            {
                "version": c.version,
                "status": c.status,
                "failing": list(c.failing),
                "reason": c.reason,
                "since": c.since,
                "lastAt": c.last_at,
            }
            for c in view.history
        ]
    return body
