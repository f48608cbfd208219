"""The roadmap: quarters with gates that are computed, and pilots whose savings are measured against a frozen baseline.

A gate passes, holds (it can be judged, and is not reached yet) or is blocked (what it needs to be judged is missing).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from catalog.wording import counted, exact_percent, listed, percent
from policies import durations
from policies.domains import CityFileError, Text, complaints
from policies.durations import Duration

__all__ = [
    "Finding",
    "Gate",
    "Kpi",
    "Pilot",
    "Plan",
    "Quarter",
    "Situation",
    "judge",
    "kpi",
    "quarter_ends",
    "read_pilots",
    "read_roadmap",
]

Status: TypeAlias = Literal["pass", "hold", "blocked"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Governed(_Closed):
    """So many of these domains are at governed readiness."""

    id: str
    kind: Literal["governed"]
    title: Text
    domains: list[str] = Field(min_length=1)
    least: int = Field(ge=1)


class Savings(_Closed):
    """A pilot saves at least this share of what it was before."""

    id: str
    kind: Literal["savings"]
    title: Text
    pilot: str
    at_least: float = Field(gt=0, le=1)


class Oversight(_Closed):
    """Every system in operation has an appeal path, a bias test and a look of its monitoring that are recent."""

    id: str
    kind: Literal["oversight"]
    title: Text
    bias_test_within: Duration
    monitoring_within: Duration


class Public(_Closed):
    """The dashboard and the audit trail answer anybody."""

    id: str
    kind: Literal["public"]
    title: Text


Gate: TypeAlias = Annotated[Governed | Savings | Oversight | Public, Field(discriminator="kind")]


class Quarter(_Closed):
    """A quarter and its gates."""

    quarter: str = Field(pattern=r"^[0-9]{4}-Q[1-4]$")
    title: Text
    gates: list[Gate] = Field(min_length=1)


class Plan(_Closed):
    """`roadmap.yaml`."""

    quarters: list[Quarter] = Field(min_length=1)


class Window(_Closed):
    """From a moment, until before another."""

    from_: AwareDatetime = Field(alias="from")
    to: AwareDatetime

    @model_validator(mode="after")
    def _forward(self) -> Window:
        if self.to <= self.from_:
            raise ValueError("to must be after from")
        return self


class Pilot(_Closed):
    """`pilots/<name>.yaml`: what is measured, before and after. The figure is the median time from opened to closed of
    the entities that were opened in the window."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: Text
    domain: str
    type: str
    opened: str
    closed: str
    baseline: Window
    pilot: Window
    least: int = Field(default=30, ge=1, description="cases that a median needs at least")


@dataclass(frozen=True, slots=True)
class Kpi:
    """A median in seconds over so many closed cases, and how many are still open."""

    median_s: float | None
    closed: int
    open: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a gate."""

    quarter: str
    gate: str
    status: Status
    value: float | int | None
    target: float | int | None
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What gates are judged by: verdicts by domain, pilots' figures (before, after), the register's newest entries, and
    which public addresses answered; `titles` are what domains and pilots are called."""

    now: datetime
    base_url: str
    verdicts: Mapping[str, str]
    pilots: Mapping[str, tuple[Kpi | None, Kpi | None]]
    systems: Sequence[Mapping[str, Any]]
    answers: Mapping[str, int]
    titles: Mapping[str, str] = field(default_factory=dict)

    def names(self, domains: Sequence[str]) -> str:
        """Domains as people call them."""
        return listed([self.titles.get(name, name) for name in domains])


def read_roadmap(folder: Path) -> Plan | None:
    """Read `roadmap.yaml`; None where the city has none. Raises CityFileError."""
    path = folder / "roadmap.yaml"
    return _read(path, Plan) if path.exists() else None


def read_pilots(folder: Path) -> list[Pilot]:
    """Read `pilots/*.yaml`. Raises CityFileError."""
    found = []
    for path in sorted((folder / "pilots").glob("*.yaml")):
        pilot = _read(path, Pilot)
        if pilot.name != path.stem:
            raise CityFileError(f"{path}: name: must be {path.stem!r}, as the file is called")
        found.append(pilot)
    return found


def _read(path: Path, model: type[Any]) -> Any:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise CityFileError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        raise complaints(error, str(path)) from error


def kpi(cases: Sequence[tuple[datetime, datetime | None]], window: Window, at: datetime) -> Kpi:
    """The figure of one window. A case closed before it was opened is no case."""
    inside = [(opened, closed) for opened, closed in cases if window.from_ <= opened < window.to]
    spent = [(closed - opened).total_seconds() for opened, closed in inside if closed and closed >= opened]
    still = sum(closed is None for _, closed in inside)
    return Kpi(median(spent) if spent else None, len(spent), still, at)


def quarter_ends(quarter: str) -> datetime:
    """The moment at which a quarter is over."""
    year, number = int(quarter[:4]), int(quarter[-1])
    return datetime(year + number // 4, number % 4 * 3 + 1, 1, tzinfo=UTC)


def judge(quarter: str, gate: Any, s: Situation) -> Finding:
    """Judge one gate."""
    if isinstance(gate, Governed):
        return _governed(quarter, gate, s)
    if isinstance(gate, Savings):
        return _savings(quarter, gate, s)
    if isinstance(gate, Oversight):
        return _oversight(quarter, gate, s)
    return _public(quarter, gate, s)


def _governed(quarter: str, gate: Governed, s: Situation) -> Finding:
    there = [d for d in gate.domains if s.verdicts.get(d) == "governed"]
    unknown = [d for d in gate.domains if d not in s.verdicts]
    missing = [d for d in gate.domains if d not in there]
    status: Status = "pass" if len(there) >= gate.least else "blocked" if unknown else "hold"
    if status == "pass":
        reason = f"{s.names(there)} {'are' if len(there) > 1 else 'is'} at governed readiness."
    elif unknown:
        reason = f"{s.names(unknown)} {'have' if len(unknown) > 1 else 'has'} not been assessed."
    else:
        reason = f"{s.names(missing)} {'are' if len(missing) > 1 else 'is'} not yet at governed readiness."
    return Finding(quarter, gate.id, status, len(there), gate.least, reason, f"{s.base_url}/readiness")


def _savings(quarter: str, gate: Savings, s: Situation) -> Finding:
    before, after = s.pilots.get(gate.pilot, (None, None))
    evidence = f"{s.base_url}/pilots/{gate.pilot}"
    if before is None or before.median_s is None:
        reason = f"No baseline of the pilot {s.titles.get(gate.pilot, gate.pilot)} has been measured."
        return Finding(quarter, gate.id, "blocked", None, gate.at_least, reason, evidence)
    if after is None or after.median_s is None:
        reason = f"Nothing has been measured since the pilot {s.titles.get(gate.pilot, gate.pilot)} began."
        return Finding(quarter, gate.id, "blocked", None, gate.at_least, reason, evidence)
    saved = 1 - after.median_s / before.median_s if before.median_s else 0.0
    passed = saved >= gate.at_least
    reason = (
        f"The median time to close went from {_spent(before.median_s)} ({counted(before.closed, 'case')}) to "
        f"{_spent(after.median_s)} ({counted(after.closed, 'case')}): "
        f"{percent(saved) if saved > 0 else 'nothing'} saved; {exact_percent(gate.at_least)} was promised."
    )
    return Finding(quarter, gate.id, "pass" if passed else "hold", round(saved, 4), gate.at_least, reason, evidence)


def _spent(seconds: float) -> str:
    """A time that is compared with another: `4 h 30 min`, `3 days 2 h`."""
    minutes = round(seconds / 60)
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [counted(days, "day") if days else "", f"{hours} h" if hours else ""]
    parts.append(f"{rest} min" if rest and not days else "")
    return " ".join(filter(None, parts)) or "under a minute"


def _oversight(quarter: str, gate: Oversight, s: Situation) -> Finding:
    running = [e for e in s.systems if e["registration"]["status"] == "operational"]
    evidence = f"{s.base_url}/register"
    if not running:
        reason = "The register holds no system in operation, so there is nothing to judge."
        return Finding(quarter, gate.id, "blocked", 0, None, reason, evidence)
    lacks = []
    for e in running:
        name = e["registration"]["name"]
        lacks += [f"{name} has no appeal path"] * (not e.get("appeal"))
        lacks += [f"{name} has no recent bias test that it passed"] * (
            not _recent(e["bias_tests"], s.now, durations.parse(gate.bias_test_within))
        )
        lacks += [f"{name} has no recent result of its monitoring that is good"] * (
            not _recent(e["monitoring"], s.now, durations.parse(gate.monitoring_within))
        )
    good = len(running) - len({text.partition(" has no ")[0] for text in lacks})
    status: Status = "hold" if lacks else "pass"
    whole = f"{counted(len(running), 'system')} in operation: appeal path, bias test and monitoring are live."
    return Finding(quarter, gate.id, status, good, len(running), f"{listed(lacks)}." if lacks else whole, evidence)


def _recent(checks: Sequence[Mapping[str, Any]], now: datetime, within: timedelta) -> bool:
    """Whether the newest check is recent and good: a later failure outweighs an earlier pass."""
    newest = max(checks, key=lambda c: str(c["date"]), default=None)
    if newest is None or not newest["passed"]:
        return False
    return now.date() - within <= date.fromisoformat(str(newest["date"])) <= now.date()


def _public(quarter: str, gate: Public, s: Situation) -> Finding:
    silent = [path for path, status in s.answers.items() if status != 200]
    status: Status = "blocked" if silent or not s.answers else "pass"
    reason = (
        f"{listed(silent)} {'do' if len(silent) > 1 else 'does'} not answer."
        if silent
        else "Dashboard and audit trail answer anybody."
    )
    return Finding(
        quarter,
        gate.id,
        status,
        len(s.answers) - len(silent),
        len(s.answers),
        reason,
        f"{s.base_url}/trust/log/checkpoint",
    )
