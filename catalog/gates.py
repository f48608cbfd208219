"""The gates of governed readiness, each a pure function of one round of reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.dataset import DomainFacts, Harvest, Measurement, local_name, words
from catalog.evidence import METHOD, Evidence, Sources, Value
from catalog.vocabulary import licence_label
from catalog.wording import counted, duration, exact_percent, floored, listed, percent
from policies import durations

__all__ = [
    "Round",
    "assessment",
    "completeness",
    "freshness",
    "licence",
    "owner",
    "policy",
    "provenance",
    "purposes",
    "retention",
    "steward",
    "timeliness",
    "uniqueness",
    "validity",
]

_ABOUT_PEOPLE = ("personal", "sensitive")


@dataclass(frozen=True, slots=True)
class Round:
    """What a gate may look at."""

    harvest: Harvest
    now: datetime
    ttl: timedelta
    sources: Sources

    @property
    def domain(self) -> DomainFacts:
        """The domain as it was declared."""
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
        why: str | None = None,
    ) -> Evidence:
        """Evidence of this round; it holds for the usual time unless told otherwise."""
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
            why,
        )


def owner(r: Round) -> Evidence:
    """Somebody owns the data."""
    return r.declared(
        "owner",
        r.domain.owner,
        f"{r.domain.owner_name or r.domain.owner} owns this data.",
        "Nobody is named as the owner of this data.",
    )


def steward(r: Round) -> Evidence:
    """Somebody looks after them."""
    return r.declared(
        "steward",
        r.domain.steward,
        f"{r.domain.steward_name or r.domain.steward} looks after it as steward.",
        "No steward is named who looks after this data.",
    )


def licence(r: Round) -> Evidence:
    """A licence says what one may do with them."""
    return r.declared(
        "licence",
        r.domain.licence,
        f"The licence is {licence_label(r.domain.licence or '')}.",
        "No licence is set, so nobody can tell what they may do with it.",
    )


def purposes(r: Round) -> Evidence:
    """It is said for what they may be used."""
    said = [words(local_name(p)).lower() for p in r.domain.purposes]
    return r.declared(
        "purposes",
        ", ".join(r.domain.purposes),
        f"It may be used for {listed(said) if said else ''}.",
        "No purpose is set for which this data may be used.",
    )


def policy(r: Round) -> Evidence:
    """An agreement in force covers every type."""
    types = r.domain.types
    bare = [r.domain.term(t) for t in types if not r.harvest.covering(t)]
    if not types:
        reason = "The domain declares no types, so no agreement can cover them."
    elif bare:
        reason = f"No agreement in force covers {listed(bare)}."
    else:
        uids = {a.uid for t in types for a in r.harvest.covering(t)}
        reason = f"{counted(len(uids), 'agreement')} in force cover{'s' if len(uids) == 1 else ''} every type."
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


def _end(r: Round, type_: str) -> datetime | None:
    """When the last agreement covering a type ends; None without any or with an open-ended one."""
    ends = [a.until for a in r.harvest.covering(type_)]
    dated = [end for end in ends if end is not None]
    return max(dated) if dated and len(dated) == len(ends) else None


def assessment(r: Round) -> Evidence:
    """The impact assessment is current; data about no person need none, but one that was made must not have ended."""
    made = sorted(r.harvest.assessments, key=lambda a: a.until)
    newest = made[-1] if made else None
    about_people = r.domain.classification in _ABOUT_PEOPLE
    value: Value = newest.uid if newest else None if about_people else "not required"
    passed = newest.until > r.now if newest else not about_people
    if newest and passed:
        reason = f"The impact assessment is current until {newest.until:%Y-%m-%d}."
    elif newest:
        reason = f"The impact assessment ended at {newest.until:%Y-%m-%d %H:%M:%S} UTC; it has to be done anew."
    elif about_people:
        reason = f"No impact assessment is published, and {r.domain.classification} data needs one."
    else:
        reason = f"No impact assessment is required: the data is {r.domain.classification} and about no person."
    expires = r.harvest.at + r.ttl
    if newest and passed:
        expires = min(expires, newest.until)
    return r.found("assessment", value, "current", "assessment", passed, reason, r.sources.assessments, expires=expires)


_ADJECTIVES = {"completeness": "complete", "timeliness": "timely", "validity": "valid", "uniqueness": "unique"}


def completeness(r: Round) -> Evidence:
    """No feed is less complete than the target, which every domain must set."""
    return _quality(r, "completeness")


def timeliness(r: Round) -> Evidence | None:
    """No feed is less timely than the target, where there is one."""
    return _quality(r, "timeliness") if r.domain.target("timeliness") is not None else None


def validity(r: Round) -> Evidence | None:
    """No feed is less valid than the target, where there is one."""
    return _quality(r, "validity") if r.domain.target("validity") is not None else None


def uniqueness(r: Round) -> Evidence | None:
    """No feed repeats itself more than the target lets it, where there is one."""
    return _quality(r, "uniqueness") if r.domain.target("uniqueness") is not None else None


def _quality(r: Round, dimension: str) -> Evidence:
    target = r.domain.target(dimension)
    measured = [m for m in r.harvest.quality if m.dimension == dimension]
    keep = max(r.ttl, timedelta(seconds=r.domain.freshness_s or 0.0))
    worst = min(measured, key=lambda m: m.value, default=None)
    oldest = min((m.at or r.harvest.at for m in measured), default=r.harvest.at)
    unmeasured = _unmeasured(r, dimension, measured)
    lapsed = oldest + keep <= r.now
    if target is None:
        reason = f"No target is set for {dimension}."
    elif worst is None:
        reason = f"{dimension.capitalize()} has not been measured yet."
    elif unmeasured:
        reason = f"{dimension.capitalize()} of {listed(unmeasured)} has not been measured yet."
    elif lapsed:
        ago = duration((r.now - oldest).total_seconds())
        reason = f"{dimension.capitalize()} was last measured {ago} ago, which is too long."
    else:
        reason = _against(worst, target, _ADJECTIVES[dimension])
    return r.found(
        dimension,
        float(floored(worst.value, 4)) if worst else None,
        target,
        "share",
        target is not None and worst is not None and not unmeasured and not lapsed and worst.value >= target,
        reason,
        r.sources.quality,
        at=oldest,
        expires=oldest + keep,
        why=next((text for name, text in r.domain.target_reasons if name == dimension), None),
    )


def _unmeasured(r: Round, dimension: str, measured: list[Measurement]) -> list[str]:
    """Feeds that delivered but were not measured. Only a feed that says how old a record may be has timeliness."""
    if dimension == "timeliness":
        return []
    return sorted({f.feed for f in r.harvest.feeds if f.received} - {m.feed for m in measured})


def _against(worst: Measurement, target: float, adjective: str) -> str:
    if worst.value < target:
        return f"{worst.feed} is {percent(worst.value)} {adjective}; the target is {exact_percent(target)}."
    if worst.value == 1:
        return f"Every feed is {adjective}; the target is {exact_percent(target)}."
    return f"Every feed is at least {percent(worst.value)} {adjective}; the target is {exact_percent(target)}."


def freshness(r: Round) -> Evidence:
    """The newest record of any feed came within the objective."""
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


def _quiet(r: Round) -> str:
    """Which feeds their connectors themselves report as not running."""
    feeds = [f"{f.feed} is {f.status}" for f in r.harvest.feeds if f.status != "running"]
    return f" Feed {listed(feeds)}." if feeds else ""


def retention(r: Round) -> Evidence:
    """It is said how long what is kept."""
    rules = dict(r.domain.retention)
    value = ", ".join(f"{name} {rules[name]}" for name in sorted(rules))
    said = [f"{name} for {duration(durations.parse(rules[name]).total_seconds())}" for name in rules]
    return r.declared(
        "retention",
        value,
        f"It is kept by rule: {listed(said)}." if said else "",
        "No rule says how long this data is kept.",
    )


def provenance(r: Round) -> Evidence:
    """A declared feed stands behind every type, and every feed that delivers is declared."""
    types, known = r.domain.types, {o.feed for o in r.harvest.origins}
    bare = [r.domain.term(t) for t in types if not any(t in o.types for o in r.harvest.origins)]
    strangers = sorted(f.feed for f in r.harvest.feeds if f.received and f.feed not in known)
    if bare:
        reason = f"No feed is declared from which {listed(bare)} comes."
    elif strangers:
        one = len(strangers) == 1
        reason = f"{listed(strangers)} deliver{'s' if one else ''} data, but {'is' if one else 'are'} not declared."
    else:
        count = counted(len(r.harvest.origins), "declared feed")
        reason = f"Every type comes from one of {count}." if len(known) > 1 else f"Every type comes from {count}."
    return r.found(
        "provenance",
        len(types) - len(bare),
        len(types),
        "types with a declared origin",
        bool(types) and not bare and not strangers,
        reason,
        r.sources.origins,
    )
