"""Agreements in plain words, for the pages; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Clause", "Deal", "Status", "day", "deal", "duty_words", "licence", "listed", "named", "status", "text"]

_ACTIONS = {
    "read": "read what is current",
    "temporal": "read its history",
    "aggregate": "compute totals and averages",
    "subscribe": "be notified of changes",
    "export": "take copies",
    "publish": "publish it",
    "delete": "delete it",
    "register": "register other sources of it",
    "tenant": "see to the space it is kept in",
    "manage": "manage it",
}
_UNITS = (("Y", "year"), ("M", "month"), ("W", "week"), ("D", "day"))
_CLOCK = (("H", "hour"), ("M", "minute"), ("S", "second"))
_COMPARED = {"lt": "before", "lteq": "until", "gt": "after", "gteq": "from"}
_NAME = re.compile(r"<([^>]+)>")
_SIGNS = (
    ("==", " is "),
    ("!=", " is not "),
    ("~=", " is like "),
    (">=", " ≥ "),
    ("<=", " ≤ "),
    (";", " and "),
    ("|", " or "),
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CC = re.compile(r"https?://creativecommons\.org/licenses/([a-z-]+)/([\d.]+)/?")
_CC0 = "creativecommons.org/publicdomain/zero/"


@dataclass(frozen=True, slots=True)
class Status:
    """Where an agreement stands; `good` while it gives what it says."""

    words: str
    good: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """One permission or prohibition: what may be done with which data, for what, within which limits, owing what."""

    may: str
    data: str
    details: str
    purposes: str
    limits: tuple[str, ...]
    duties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deal:
    """One agreement as people read it."""

    uid: str
    title: str
    version: int
    domain: str
    party: str
    public: bool
    status: Status
    since: str
    until: str
    clauses: tuple[Clause, ...]
    prohibitions: tuple[Clause, ...]


def deal(agreement: Mapping[str, Any], parties: Mapping[str, str]) -> Deal:
    """Put a stored agreement into words. `parties`: names by URN."""
    who = agreement["assignee"]
    return Deal(
        agreement["uid"],
        text(agreement["title"]) or agreement["uid"],
        agreement["version"],
        agreement["domain"],
        _party(who, parties),
        who == "tier:public",
        status(agreement["status"]),
        day(agreement["valid"]["from"]),
        day(agreement["valid"]["until"]),
        tuple(_clause(rule) for rule in agreement["permission"]),
        tuple(_clause(rule, only="") for rule in agreement["prohibition"]),
    )


def text(texts: Mapping[str, str] | None) -> str:
    """Give the first language of a text."""
    return next(iter((texts or {}).values()), "")


def named(iri: str) -> str:
    """Say the last part of an IRI in words: `https://w3id.org/dpv#ServiceProvision` is `service provision`."""
    last = iri.rstrip("/#").replace("#", "/").rpartition("/")[2].rpartition(":")[2]
    parts = [part for piece in last.split("_") for part in _CAMEL.split(piece) if part]
    return " ".join(part if len(part) > 1 and part.isupper() else part.lower() for part in parts) or iri


def licence(iri: str | None) -> str:
    """Call a licence as people do; one that is not known is called as it is written."""
    if iri and (found := _CC.fullmatch(iri)):
        return f"CC {found[1].upper()} {found[2]}"
    if iri and _CC0 in iri:
        return "CC0 1.0"
    return iri or "not set"


def status(name: str) -> Status:
    """Say where an agreement stands."""
    said = {"active": "In force", "expired": "Ended", "applied": "In review"}.get(name, name.capitalize())
    return Status(said, name == "active")


def listed(names: Sequence[str], last: str = "and") -> str:
    """Join names as people do: `a, b and c`."""
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _party(who: str, parties: Mapping[str, str]) -> str:
    if who == "tier:public":
        return "Everybody"
    if who.startswith("tier:"):
        return f"Every {who.removeprefix('tier:')}"
    return parties.get(who, who)


def _clause(rule: Mapping[str, Any], only: str = "only ") -> Clause:
    target = rule.get("target", {})
    done = [words for name, words in _ACTIONS.items() if name in rule["action"]]
    purposes = [_purpose(each) for each in rule.get("constraint", ()) if each["leftOperand"] == "purpose"]
    return Clause(
        listed(done),
        listed([named(name) for name in target.get("types") or ()]),
        _details(target.get("attrs") or {}, only),
        "; and ".join(purposes) or "any purpose",
        (*_limits(target), *_conditions(rule.get("constraint", ()))),
        tuple(duty_words(each["kind"], each["value"]) for each in rule.get("duty", ())),
    )


def _details(attrs: Mapping[str, Sequence[str]], only: str) -> str:
    if attrs.get("only"):
        return f"{only}{listed([named(name) for name in attrs['only']])}"
    if attrs.get("except"):
        return f"everything but {listed([named(name) for name in attrs['except']])}"
    return "everything"


def _purpose(constraint: Mapping[str, Any]) -> str:
    given = constraint["rightOperand"]
    names = [named(name) for name in ([given] if isinstance(given, str) else given)]
    return f"any purpose except {listed(names)}" if constraint["operator"] == "isNoneOf" else listed(names, "or")


def _limits(target: Mapping[str, Any]) -> Iterator[str]:
    if target.get("area"):
        yield "Only inside the area that the agreement draws."
    if target.get("q"):
        yield f"Only where {_condition(target['q'])}."
    if target.get("scopeQ"):
        yield f"Only within {target['scopeQ']}."
    if target.get("aggregate_only"):
        yield "Only as totals and averages, never one by one."
    if target.get("feeds"):
        yield f"Only through {'the feed' if len(target['feeds']) == 1 else 'the feeds'} {listed(target['feeds'])}."
    if target.get("sources"):
        yield f"Only from {listed(target['sources'])}."
    yield from _finer(target.get("window") or {}, target.get("resolution") or {})


def _condition(q: str) -> str:
    """A query (names in full, in angle brackets) in words; texts in quotes stay as they are."""
    parts = re.split(r'("[^"]*")', q)
    for at in range(0, len(parts), 2):
        parts[at] = _NAME.sub(lambda found: named(found[1]), parts[at])
        for sign, said in _SIGNS:
            parts[at] = parts[at].replace(sign, said)
    return "".join(parts).strip()


def _finer(window: Mapping[str, Any], resolution: Mapping[str, Any]) -> Iterator[str]:
    if window.get("from"):
        yield f"Only what was observed from {day(window['from'])} on."
    if window.get("to"):
        yield f"Only what was observed before {day(window['to'])}."
    if window.get("max_age"):
        yield f"Only what is not older than {_duration(window['max_age'])}."
    if resolution.get("time"):
        yield f"Only as one value for each {_each(resolution['time'])}."
    if resolution.get("metres"):
        yield f"Places only to the nearest {resolution['metres']:g} m."


def _conditions(constraints: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in constraints:
        given = each["rightOperand"]
        if each["leftOperand"] == "role":
            yield f"Only in the role of {listed([given] if isinstance(given, str) else given, 'or')}."
        elif each["leftOperand"] == "dateTime":
            yield f"Only {_COMPARED[each['operator']]} {day(given)}."


def duty_words(kind: str, value: str) -> str:
    """Say what is owed."""
    if kind == "attribution":
        return f"Name the source: “{value}”."
    if kind == "delete_after":
        return f"Delete what you took after {_duration(value)}."
    if kind == "report_benefit":
        return f"Report every {_each(value)} what came of it."
    most, _, period = value.partition("/")
    return f"At most {int(most):,} requests in every {_each(period)}."


def _duration(value: str) -> str:
    days, _, clock = value.removeprefix("P").partition("T")
    parts = []
    for piece, units in ((days, _UNITS), (clock, _CLOCK)):
        for letter, unit in units:
            if found := re.search(rf"(\d+){letter}", piece):
                parts.append(f"{int(found[1])} {unit}{'' if int(found[1]) == 1 else 's'}")
    return listed(parts)


def _each(value: str) -> str:
    """A duration after `each`: `day`, `2 hours`."""
    return _duration(value).removeprefix("1 ") if value[-2:-1] == "1" and value[-3:-2] in "PT" else _duration(value)


def day(moment: str) -> str:
    """Say a day: `1 January 2028`."""
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%B %Y}"
