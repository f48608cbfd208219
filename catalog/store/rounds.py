"""Keep and read back what each round of assessment found: harvests, evidence and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from catalog.dataset import Harvest
from catalog.evidence import Evidence, Status, Verdict
from catalog.readiness import GATES
from catalog.store.connect import Conn
from catalog.store.named import statement
from catalog.wording import floored

__all__ = ["Change", "DomainRecord", "Series", "Sign", "load", "quality_history", "runs", "save"]

Sign: TypeAlias = Callable[[Verdict, int], str]
"""Signs a verdict and its version: a compact JWS."""

_HARVEST = TypeAdapter(Harvest)
_EVIDENCE = TypeAdapter(Evidence)
_COLUMNS = tuple(field.name for field in fields(Evidence))
_ORDER = {name: i for i, (name, _) in enumerate(GATES)}


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a domain's verdict: what it was, since when, until when it was last confirmed."""

    version: int
    status: Status
    failing: tuple[str, ...]
    reason: str
    since: datetime
    last_at: datetime
    expires: datetime
    jws: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One value that held from a first to a last confirmation."""

    value: Any
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """All that is stored of one domain. `verdict` is as it was assessed; judge it with `readiness.status_at`."""

    harvest: Harvest
    issued: datetime
    verdict: Verdict
    since: datetime | None
    history: tuple[Change, ...]


async def save(
    conn: Conn, harvests: Sequence[Harvest], verdicts: Sequence[Verdict], at: datetime, sign: Sign | None = None
) -> list[str]:
    """Store one round in one transaction; return the domains whose verdict changed. A domain not given is forgotten,
    its evidence and verdicts stay."""
    facts = [
        {"domain": h.domain.name, "position": i, "facts": _HARVEST.dump_python(h, mode="json")}
        for i, h in enumerate(harvests)
    ]
    evidence = [_EVIDENCE.dump_python(e, mode="json") for v in verdicts for e in v.gates]
    said = [
        {"domain": v.domain, "status": v.status, "failing": v.failing, "reason": v.reason, "expires": v.expires}
        for v in verdicts
    ]
    async with conn.transaction():
        await conn.execute(statement("save_harvests"), facts, at)
        await conn.execute(statement("close_evidence"), evidence)
        await conn.execute(statement("save_evidence"), evidence, at)
        await _save_quality(conn, harvests, at)
        rows = await conn.fetch(statement("save_verdicts"), said, at)
        if sign is not None:
            versions = {row["domain"]: row["version"] for row in rows}
            signed = [
                {"domain": v.domain, "version": versions[v.domain], "jws": sign(v, versions[v.domain])}
                for v in verdicts
            ]
            await conn.execute(statement("sign_verdicts"), signed)
        return [row["domain"] for row in rows if row["changed"]]


async def _save_quality(conn: Conn, harvests: Sequence[Harvest], at: datetime) -> None:
    measured = {(h.domain.name, m.feed, m.dimension): float(floored(m.value, 4)) for h in harvests for m in h.quality}
    given = [
        {"domain": domain, "feed": feed, "dimension": dimension, "value": value}
        for (domain, feed, dimension), value in measured.items()
    ]
    await conn.execute(statement("close_quality"), given, [h.domain.name for h in harvests])
    await conn.execute(statement("save_quality"), given, at)


async def load(conn: Conn, versions: int = 200) -> list[DomainRecord]:
    """Every domain of the last round in the city's order, with at most `versions` of its newest verdicts."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        rows = await conn.fetch(statement("load_harvests"))
        names = [row["domain"] for row in rows]
        found = await conn.fetch(statement("load_evidence"), names)
        said = await conn.fetch(statement("load_verdicts"), names, versions)
    evidence: dict[str, list[Evidence]] = {name: [] for name in names}
    for row in found:
        evidence[row["domain"]].append(_evidence(row))
    history: dict[str, list[Change]] = {name: [] for name in names}
    for row in said:
        history[row["domain"]].append(_change(row))
    return [_record(row, evidence[row["domain"]], history[row["domain"]]) for row in rows]


def _record(row: Any, evidence: list[Evidence], history: list[Change]) -> DomainRecord:
    gates = tuple(sorted((e for e in evidence if e.gate in _ORDER), key=lambda e: _ORDER[e.gate]))
    last = history[-1].last_at if history else row["at"]
    return DomainRecord(
        _HARVEST.validate_python(row["facts"]),
        row["first_at"],
        Verdict(row["domain"], last, gates),
        _since(history),
        tuple(history),
    )


def _since(history: Sequence[Change]) -> datetime | None:
    """Since when the present status holds, over versions that only differ in their failing gates."""
    since = None
    for change in reversed(history):
        if change.status != history[-1].status:
            break
        since = change.since
    return since


def _evidence(row: Any) -> Evidence:
    names = (
        "domain",
        "gate",
        "value",
        "target",
        "unit",
        "at",
        "expires",
        "source",
        "method",
        "passed",
        "reason",
        "why",
    )
    return Evidence(*(row[name] for name in names))


def _change(row: Any) -> Change:
    return Change(
        row["version"],
        row["status"],
        tuple(row["failing"]),
        row["reason"],
        row["since"],
        row["last_at"],
        row["expires"],
        row["jws"],
    )


async def quality_history(conn: Conn, domain: str, since: datetime) -> dict[tuple[str, str], list[Series]]:
    """The measured values of each feed and dimension of a domain since a moment, in order of time."""
    found: dict[tuple[str, str], list[Series]] = {}
    for row in await conn.fetch(statement("load_quality"), domain, since):
        found.setdefault((row["feed"], row["dimension"]), []).append(
            Series(row["value"], row["first_at"], row["last_at"])
        )
    return found


async def runs(conn: Conn, domain: str, since: datetime) -> dict[str, list[Series]]:
    """The findings of each gate of a domain since a moment, in order of time: whether it passed, and why."""
    found: dict[str, list[Series]] = {}
    for row in await conn.fetch(statement("load_runs"), domain, since):
        said = {name: row[name] for name in ("passed", "value", "target", "unit", "reason")}
        found.setdefault(row["gate"], []).append(Series(said, row["first_at"], row["last_at"]))
    return found
