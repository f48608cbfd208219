"""Agreements in plain words, for the pages; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from babel import Locale

from policies.language import N_, Language

__all__ = ["Clause", "Deal", "Status", "day", "deal", "duty_words", "licence", "listed", "named", "status"]

ENGLISH: Final = Language("en", Locale("en"), {}, {})

_ACTIONS = {
    "read": N_("read what is current"),
    "temporal": N_("read its history"),
    "aggregate": N_("compute totals and averages"),
    "subscribe": N_("be notified of changes"),
    "export": N_("take copies"),
    "publish": N_("publish it"),
    "delete": N_("delete it"),
    "register": N_("register other sources of it"),
    "tenant": N_("see to the space it is kept in"),
    "manage": N_("manage it"),
}
_COMPARED = {
    "lt": N_("Only before %(day)s."),
    "lteq": N_("Only until %(day)s."),
    "gt": N_("Only after %(day)s."),
    "gteq": N_("Only from %(day)s."),
}
_OR: Final = N_(" or ")
_NAME = re.compile(r"<([^>]+)>")
_SIGNS = (
    ("==", N_(" is ")),
    ("!=", N_(" is not ")),
    ("~=", N_(" is like ")),
    (">=", " ≥ "),
    ("<=", " ≤ "),
    (";", N_(" and ")),
    ("|", N_(" or ")),
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


def deal(agreement: Mapping[str, Any], parties: Mapping[str, str], lang: Language = ENGLISH) -> Deal:
    """Put a stored agreement into words of a language. `parties`: names by URN."""
    who = agreement["assignee"]
    return Deal(
        agreement["uid"],
        lang.text(agreement["title"]) or agreement["uid"],
        agreement["version"],
        agreement["domain"],
        _party(who, parties, lang),
        who == "tier:public",
        status(agreement["status"], lang),
        day(agreement["valid"]["from"], lang),
        day(agreement["valid"]["until"], lang),
        tuple(_clause(rule, lang) for rule in agreement["permission"]),
        tuple(_clause(rule, lang, forbids=True) for rule in agreement["prohibition"]),
    )


def named(iri: str, lang: Language = ENGLISH) -> str:
    """Say the last part of an IRI in words: `https://w3id.org/dpv#ServiceProvision` is `service provision`. A word that
    the language has no message for stays as it is."""
    last = iri.rstrip("/#").replace("#", "/").rpartition("/")[2].rpartition(":")[2]
    parts = [part for piece in last.split("_") for part in _CAMEL.split(piece) if part]
    words = " ".join(part if len(part) > 1 and part.isupper() else part.lower() for part in parts)
    return lang.gettext(words or iri)


def licence(iri: str | None, lang: Language = ENGLISH) -> str:
    """Call a licence as people do; one that is not known is called as it is written."""
    if iri and (found := _CC.fullmatch(iri)):
        return f"CC {found[1].upper()} {found[2]}"
    if iri and _CC0 in iri:
        return "CC0 1.0"
    return iri or lang.gettext("not set")


_STATUSES: Final = {
    "active": N_("In force"),
    "expired": N_("Ended"),
    "applied": N_("In review"),
    "offered": N_("Offered"),
    "suspended": N_("Suspended"),
    "revoked": N_("Revoked"),
    "refused": N_("Turned down"),
    "withdrawn": N_("Withdrawn"),
    "amended": N_("Replaced"),
}


def status(name: str, lang: Language = ENGLISH) -> Status:
    """Say where an agreement stands."""
    return Status(lang.gettext(_STATUSES.get(name, name.capitalize())), name == "active")


def listed(names: Sequence[str], lang: Language = ENGLISH, last: str = N_(" and ")) -> str:
    """Join names as people do: `a, b and c`."""
    return lang.gettext(last).join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


_TIERS: Final = {
    "resident": N_("Every resident"),
    "vendor": N_("Every vendor"),
    "startup": N_("Every startup"),
    "researcher": N_("Every researcher"),
    "department": N_("Every department"),
    "oversight": N_("Every oversight body"),
    "steward": N_("Every steward"),
    "service": N_("Every service of the city"),
}


def _party(who: str, parties: Mapping[str, str], lang: Language) -> str:
    if who == "tier:public":
        return lang.gettext("Everybody")
    if who.startswith("tier:"):
        tier = who.removeprefix("tier:")
        return lang.gettext(_TIERS.get(tier, f"Every {tier}"))
    return parties.get(who, who)


def _clause(rule: Mapping[str, Any], lang: Language, forbids: bool = False) -> Clause:
    target = rule.get("target", {})
    done = [lang.gettext(words) for name, words in _ACTIONS.items() if name in rule["action"]]
    purposes = [_purpose(each, lang) for each in rule.get("constraint", ()) if each["leftOperand"] == "purpose"]
    return Clause(
        listed(done, lang),
        listed([named(name, lang) for name in target.get("types") or ()], lang),
        _details(target.get("attrs") or {}, lang, forbids),
        lang.gettext("; and ").join(purposes) or lang.gettext("any purpose"),
        (*_limits(target, lang), *_conditions(rule.get("constraint", ()), lang)),
        tuple(duty_words(each["kind"], each["value"], lang) for each in rule.get("duty", ())),
    )


def _details(attrs: Mapping[str, Sequence[str]], lang: Language, forbids: bool) -> str:
    if attrs.get("only"):
        names = listed([named(name, lang) for name in attrs["only"]], lang)
        return names if forbids else lang.gettext("only %(names)s") % {"names": names}
    if attrs.get("except"):
        names = listed([named(name, lang) for name in attrs["except"]], lang)
        return lang.gettext("everything but %(names)s") % {"names": names}
    return lang.gettext("everything")


def _purpose(constraint: Mapping[str, Any], lang: Language) -> str:
    given = constraint["rightOperand"]
    names = [named(name, lang) for name in ([given] if isinstance(given, str) else given)]
    if constraint["operator"] == "isNoneOf":
        return lang.gettext("any purpose except %(names)s") % {"names": listed(names, lang)}
    return listed(names, lang, _OR)


def _limits(target: Mapping[str, Any], lang: Language) -> Iterator[str]:
    say = lang.gettext
    if target.get("area"):
        yield say("Only inside the area that the agreement draws.")
    if target.get("q"):
        yield say("Only where %(condition)s.") % {"condition": _condition(target["q"], lang)}
    if target.get("scopeQ"):
        yield say("Only within %(scope)s.") % {"scope": target["scopeQ"]}
    if target.get("aggregate_only"):
        yield say("Only as totals and averages, never one by one.")
    if target.get("feeds"):
        many = lang.ngettext(
            "Only through the feed %(names)s.", "Only through the feeds %(names)s.", len(target["feeds"])
        )
        yield many % {"names": listed(target["feeds"], lang)}
    if target.get("sources"):
        yield say("Only from %(names)s.") % {"names": listed(target["sources"], lang)}
    yield from _finer(target.get("window") or {}, target.get("resolution") or {}, lang)


def _condition(q: str, lang: Language) -> str:
    """A query (names in full, in angle brackets) in words; texts in quotes stay as they are."""
    parts = re.split(r'("[^"]*")', q)
    for at in range(0, len(parts), 2):
        parts[at] = _NAME.sub(lambda found: named(found[1], lang), parts[at])
        for sign, said in _SIGNS:
            parts[at] = parts[at].replace(sign, lang.gettext(said))
    return "".join(parts).strip()


def _finer(window: Mapping[str, Any], resolution: Mapping[str, Any], lang: Language) -> Iterator[str]:
    say = lang.gettext
    if window.get("from"):
        yield say("Histories show only what was observed from %(day)s on.") % {"day": day(window["from"], lang)}
    if window.get("to"):
        yield say("Histories show only what was observed before %(day)s.") % {"day": day(window["to"], lang)}
    if window.get("max_age"):
        yield say("Histories show only what is not older than %(span)s.") % {"span": _duration(window["max_age"], lang)}
    if resolution.get("time"):
        yield say("Only as one value for each %(span)s.") % {"span": _each(resolution["time"], lang)}
    if resolution.get("metres"):
        yield say("Places only to the nearest %(metres)s m.") % {"metres": lang.number(resolution["metres"])}


def _conditions(constraints: Sequence[Mapping[str, Any]], lang: Language) -> Iterator[str]:
    for each in constraints:
        given = each["rightOperand"]
        if each["leftOperand"] == "role":
            names = listed([given] if isinstance(given, str) else given, lang, _OR)
            yield lang.gettext("Only in the role of %(names)s.") % {"names": names}
        elif each["leftOperand"] == "dateTime":
            said = _COMPARED[each["operator"]]
            yield lang.gettext(said) % {"day": day(given, lang)}


def duty_words(kind: str, value: str, lang: Language = ENGLISH) -> str:
    """Say what is owed."""
    say = lang.gettext
    if kind == "attribution":
        return say("Name the source: “%(name)s”.") % {"name": value}
    if kind == "delete_after":
        return say("Delete what you took after %(span)s.") % {"span": _duration(value, lang)}
    if kind == "report_benefit":
        return say("Report every %(span)s what came of it.") % {"span": _each(value, lang)}
    most, _, period = value.partition("/")
    given = {"n": lang.number(int(most)), "span": _each(period, lang)}
    return say("At most %(n)s requests in every %(span)s.") % given


def _duration(value: str, lang: Language) -> str:
    days, _, clock = value.removeprefix("P").partition("T")
    parts = []
    for piece, units in ((days, ("Y", "M", "W", "D")), (clock, ("TH", "TM", "TS"))):
        for unit in units:
            if found := re.search(rf"(\d+){unit[-1]}", piece):
                parts.append(_counted(int(found[1]), unit, lang))  # noqa: PERF401 - a search in a comprehension hides it
    return listed(parts, lang)


def _counted(n: int, unit: str, lang: Language) -> str:
    """So many of a unit of ISO 8601, those of the clock after a `T`."""
    said = {
        "Y": lang.ngettext("%(n)s year", "%(n)s years", n),
        "M": lang.ngettext("%(n)s month", "%(n)s months", n),
        "W": lang.ngettext("%(n)s week", "%(n)s weeks", n),
        "D": lang.ngettext("%(n)s day", "%(n)s days", n),
        "TH": lang.ngettext("%(n)s hour", "%(n)s hours", n),
        "TM": lang.ngettext("%(n)s minute", "%(n)s minutes", n),
        "TS": lang.ngettext("%(n)s second", "%(n)s seconds", n),
    }[unit]
    return said % {"n": n}


def _each(value: str, lang: Language) -> str:
    """A duration after `each`: `day`, `2 hours`."""
    found = _duration(value, lang)
    return found.removeprefix("1 ") if value[-2:-1] == "1" and value[-3:-2] in "PT" else found


def day(moment: str, lang: Language = ENGLISH) -> str:
    """Say a day: `1 January 2028`."""
    return lang.moment(datetime.fromisoformat(moment), lang.gettext("d MMMM y"))
