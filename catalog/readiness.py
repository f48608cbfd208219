"""Governed readiness: gates computed from evidence, never claimed.

Theory: a gate is a pure function of one harvest and the time. It yields one piece of evidence: the value found, the
target, where it was read, until when it holds, whether it passes, and why in plain words. A verdict is the list of
them. Each evidence expires, so a verdict lapses by itself also when nobody assesses any more: `status_at` says what a
stored verdict is worth at a later moment, and for freshness the expiry is the very moment the objective is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Literal, TypeAlias

from catalog.dataset import DomainFacts, Harvest, local_name, words
from catalog.vocabulary import licence_label

__all__ = [
    "GATES",
    "METHOD",
    "Evidence",
    "Sources",
    "Status",
    "Verdict",
    "assess",
    "duration",
    "exact_percent",
    "percent",
    "status_at",
]

Status: TypeAlias = Literal["governed", "not yet"]
Value: TypeAlias = str | float | int | None

METHOD = "catalog.readiness:1"
"""Module and version named in each evidence; raised whenever a gate's rule changes."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an outsider finds what the gates looked at; URLs with `{domain}` in them."""

    declaration: str
    agreements: str
    feeds: str
    quality: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One gate's finding (CONTRACTS 9). `reason` is for people; `unit` says what value and target count."""

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


@dataclass(frozen=True, slots=True)
class _Round:
    """What a gate may look at."""

    harvest: Harvest
    now: datetime
    ttl: timedelta
    sources: Sources

    @property
    def domain(self) -> DomainFacts:
        return self.harvest.domain

    def declared(self, gate: str, value: Value, reason: str, missing: str) -> Evidence:
        """Evidence for something the city has to have declared: a target of `set`."""
        passed = bool(value)
        return self.found(
            gate, value or None, "set", "declaration", passed, reason if passed else missing, self.sources.declaration
        )

    def found(
        self,
        gate: str,
        value: Value,
        target: Value,
        unit: str,
        passed: bool,
        reason: str,
        source: str,
        at: datetime | None = None,
        expires: datetime | None = None,
    ) -> Evidence:
        at = at or self.harvest.at
        name = self.domain.name
        return Evidence(
            name,
            gate,
            value,
            target,
            unit,
            at,
            expires or at + self.ttl,
            source.replace("{domain}", name),
            METHOD,
            passed,
            reason,
        )


def _owner(r: _Round) -> Evidence:
    return r.declared(
        "owner",
        r.domain.owner,
        f"{r.domain.owner_name or r.domain.owner} owns this data.",
        "Nobody is named as the owner of this data.",
    )


def _steward(r: _Round) -> Evidence:
    return r.declared(
        "steward",
        r.domain.steward,
        f"{r.domain.steward_name or r.domain.steward} looks after it as steward.",
        "No steward is named who looks after this data.",
    )


def _licence(r: _Round) -> Evidence:
    return r.declared(
        "licence",
        r.domain.licence,
        f"The licence is {licence_label(r.domain.licence or '')}.",
        "No licence is set, so nobody can tell what they may do with it.",
    )


def _purposes(r: _Round) -> Evidence:
    said = [words(local_name(p)).lower() for p in r.domain.purposes]
    return r.declared(
        "purposes",
        ", ".join(r.domain.purposes),
        f"It may be used for {_list(said) if said else ''}.",
        "No purpose is set for which this data may be used.",
    )


def _policy(r: _Round) -> Evidence:
    types = r.domain.types
    bare = [r.domain.term(t) for t in types if not r.harvest.covering(t)]
    if not types:
        reason = "The domain declares no types, so no agreement can cover them."
    elif bare:
        reason = f"No agreement in force covers {_list(bare)}."
    else:
        uids = {a.uid for t in types for a in r.harvest.covering(t)}
        reason = f"{_count(len(uids), 'agreement')} in force cover{'s' if len(uids) == 1 else ''} every type."
    until = [end for t in types if (end := _end(r, t)) is not None]
    expires = min([r.harvest.at + r.ttl, *until])
    return r.found(
        "policy",
        len(types) - len(bare),
        len(types),
        "types covered",
        bool(types) and not bare,
        reason,
        r.sources.agreements,
        expires=expires,
    )


def _end(r: _Round, type_: str) -> datetime | None:
    """When the last agreement covering a type ends; None without any or with an open-ended one."""
    ends = [a.until for a in r.harvest.covering(type_)]
    dated = [end for end in ends if end is not None]
    return max(dated) if dated and len(dated) == len(ends) else None


def _completeness(r: _Round) -> Evidence:
    target = r.domain.target("completeness")
    measured = [m for m in r.harvest.quality if m.dimension == "completeness"]
    unmeasured = sorted({f.feed for f in r.harvest.feeds if f.received} - {m.feed for m in measured})
    keep = max(r.ttl, timedelta(seconds=r.domain.freshness_s or 0.0))
    worst = min(measured, key=lambda m: m.value, default=None)
    value = float(floored(worst.value, 4)) if worst else None
    oldest = min((m.at or r.harvest.at for m in measured), default=r.harvest.at)
    lapsed = oldest + keep <= r.now
    if target is None:
        reason = "No target is set for completeness."
    elif worst is None:
        reason = "Completeness has not been measured yet."
    elif unmeasured:
        reason = f"Completeness of {_list(unmeasured)} has not been measured yet."
    elif lapsed:
        reason = f"Completeness was last measured {duration((r.now - oldest).total_seconds())} ago, which is too long."
    elif worst.value < target:
        reason = f"{worst.feed} is {percent(worst.value)} complete; the target is {exact_percent(target)}."
    elif worst.value == 1:
        reason = f"Every feed is complete; the target is {exact_percent(target)}."
    else:
        reason = f"Every feed is at least {percent(worst.value)} complete; the target is {exact_percent(target)}."
    passed = target is not None and worst is not None and not unmeasured and not lapsed and worst.value >= target
    return r.found(
        "completeness", value, target, "share", passed, reason, r.sources.quality, at=oldest, expires=oldest + keep
    )


def _freshness(r: _Round) -> Evidence:
    objective, newest = r.domain.freshness_s, r.harvest.newest_record()
    age = round((r.now - newest).total_seconds(), 1) if newest else None
    expires = newest + timedelta(seconds=objective or 0.0) if newest else r.now
    passed = objective is not None and newest is not None and expires > r.now
    if objective is None:
        reason = "No freshness objective is set."
    elif age is None:
        reason = "No record has arrived yet."
    elif passed:
        reason = f"The newest record came {duration(age)} ago; the objective is {duration(objective)}."
    else:
        reason = f"Nothing has arrived for {duration(age)}; the objective is {duration(objective)}.{_quiet(r)}"
    return r.found(
        "freshness", age, objective, "seconds", passed, reason, r.sources.feeds, at=r.now, expires=max(expires, r.now)
    )


def _quiet(r: _Round) -> str:
    """Which feeds their connectors themselves report as not running."""
    feeds = [f"{f.feed} is {f.status}" for f in r.harvest.feeds if f.status != "running"]
    return f" Feed {_list(feeds)}." if feeds else ""


GATES: tuple[tuple[str, Callable[[_Round], Evidence]], ...] = (
    ("owner", _owner),
    ("steward", _steward),
    ("licence", _licence),
    ("purposes", _purposes),
    ("policy", _policy),
    ("completeness", _completeness),
    ("freshness", _freshness),
)
"""Every gate in the order in which people read them."""


def assess(harvest: Harvest, now: datetime, sources: Sources, ttl_s: float) -> Verdict:
    """Pass every gate over one harvest."""
    r = _Round(harvest, now, timedelta(seconds=ttl_s), sources)
    return Verdict(harvest.domain.name, now, tuple(gate(r) for _, gate in GATES))


def status_at(verdict: Verdict, now: datetime) -> Verdict:
    """The verdict as it stands at a later moment: evidence that has expired since no longer passes."""
    renewed = max((e.expires for e in verdict.gates if e.unit == "declaration"), default=verdict.at)
    gates = tuple(_lapsed(e, now, renewed) if e.passed and e.expires <= now else e for e in verdict.gates)
    return replace(verdict, gates=gates)


def _lapsed(e: Evidence, now: datetime, renewed: datetime) -> Evidence:
    """Evidence that nobody renewed in time: what is missing. `renewed` is when plain declarations lapse."""
    since = (now - e.at).total_seconds()
    reason = f"The evidence for {e.gate} was last renewed {duration(since)} ago, which is too long."
    if e.gate == "completeness":
        reason = f"Completeness was last measured {duration(since)} ago, which is too long."
    if e.gate == "policy" and e.expires < renewed:
        reason = f"An agreement that covered its types ended at {e.expires:%Y-%m-%d %H:%M:%S} UTC; none follows it."
    if e.gate != "freshness" or not isinstance(e.value, int | float) or not isinstance(e.target, int | float):
        return replace(e, passed=False, reason=reason)
    if since > e.target / 2:  # nobody has looked for long, so newer records may have come unseen
        reason = f"Nobody has looked for new records for {duration(since)}; the objective is {duration(e.target)}."
        return replace(e, passed=False, reason=reason)
    age = round(e.value + since, 1)
    reason = f"No new record for {duration(age)}; the objective is {duration(e.target)}."
    return replace(e, passed=False, value=age, reason=reason)


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 seconds`, `3 minutes`, `2 days`."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size * (1 if unit == "day" else 2):
            return _count(round(seconds / size), unit)
    return _count(round(seconds), "second")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def floored(share: float, places: int) -> Decimal:
    """A share cut, not rounded, to so many places: a part never counts as the whole, nor a miss as a hit."""
    return Decimal(repr(share)).quantize(Decimal(1).scaleb(-places), ROUND_FLOOR)


def percent(share: float) -> str:
    """A measured share as people read it, cut to one decimal: `99.6%`; only the whole is `100%`."""
    return exact_percent(float(floored(share, 3)))


def exact_percent(share: float) -> str:
    """A declared share with every decimal that it has: `99.5%`, `95%`."""
    return f"{(Decimal(repr(share)) * 100).normalize():f}%"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
