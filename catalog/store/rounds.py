"""Keep and read back what each round of assessment found: harvests, evidence and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from catalog.dataset import Harvest
from catalog.evidence import Evidence, Status, Verdict
from catalog.readiness import GATES
from catalog.store.connect import Conn
from catalog.store.named import statement
from catalog.wording import floored

__all__ = [
    "Change",
    "DomainRecord",
    "Rows",
    "Series",
    "Sign",
    "fetch",
    "load",
    "quality_history",
    "records",
    "runs",
    "save",
]

Sign: TypeAlias = Callable[[Verdict, int], str]
"""Signs a verdict and its version: a compact JWS."""

_HARVEST = TypeAdapter(Harvest)
_EVIDENCE = TypeAdapter(Evidence)
_STORED = datetime.fromtimestamp(0, UTC)
"""What stands for a harvest's time inside its facts, so that equal facts are equal text; the time has a column."""

_MOST_VERDICTS = 20_000
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
    """All that is stored of one domain. `verdict` is as it was assessed; judge it with `readiness.status_at`. `facts`
    is the harvest as it is stored, by which one can tell whether it has changed."""

    harvest: Harvest
    issued: datetime
    verdict: Verdict
    since: datetime | None
    history: tuple[Change, ...]
    facts: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """One reading of the store, not yet made into values."""

    harvests: Sequence[Any]
    evidence: Sequence[Any]
    verdicts: Sequence[Any]
    scores: dict[str, int]


async def save(
    conn: Conn, harvests: Sequence[Harvest], verdicts: Sequence[Verdict], at: datetime, sign: Sign | None = None
) -> list[str]:
    """Store one round in one transaction; return the domains whose verdict changed. A domain not given is forgotten,
    its evidence and verdicts stay."""
    facts = [
        {"domain": h.domain.name, "position": i, "facts": _HARVEST.dump_python(replace(h, at=_STORED), mode="json")}
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
    """Every domain of the last round in the city's order, with at most `versions` of its newest verdicts, and fewer
    where there are very many domains."""
    return records(await fetch(conn, versions))


async def fetch(conn: Conn, versions: int = 200) -> Rows:
    """Read what `records` makes into values."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        rows = await conn.fetch(statement("load_harvests"))
        names = [row["domain"] for row in rows]
        found = await conn.fetch(statement("load_evidence"), names)
        most = max(5, min(versions, _MOST_VERDICTS // max(1, len(names))))
        said = await conn.fetch(statement("load_verdicts"), names, most)
        scores = await conn.fetch("SELECT dataset, total FROM catalog.scores WHERE current")
    return Rows(rows, found, said, {row["dataset"]: row["total"] for row in scores})


def records(rows: Rows, known: Mapping[str, DomainRecord] | None = None) -> list[DomainRecord]:
    """The domains of one reading. What a `known` record says in the same words is not read again. This takes CPU time
    and no connection, so that it may be done in a thread."""
    evidence: dict[str, list[Evidence]] = {row["domain"]: [] for row in rows.harvests}
    for row in rows.evidence:
        evidence[row["domain"]].append(_evidence(row))
    history: dict[str, list[Change]] = {name: [] for name in evidence}
    for row in rows.verdicts:
        history[row["domain"]].append(_change(row))
    names = known or {}
    return [_record(r, evidence[r["domain"]], history[r["domain"]], names.get(r["domain"])) for r in rows.harvests]


def _record(row: Any, evidence: list[Evidence], history: list[Change], known: DomainRecord | None) -> DomainRecord:
    same = known is not None and known.facts == row["facts"]
    harvest = known.harvest if known is not None and same else _HARVEST.validate_json(row["facts"])
    gates = tuple(sorted((e for e in evidence if e.gate in _ORDER), key=lambda e: _ORDER[e.gate]))
    last = history[-1].last_at if history else row["at"]
    return DomainRecord(
        replace(harvest, at=row["at"]),
        row["first_at"],
        Verdict(row["domain"], last, gates),
        _since(history),
        tuple(history),
        row["facts"],
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
    return Evidence(*row)  # the columns are selected in the order of the members


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
