"""The table of results, `tests/conformance/RESULTS.md`: counts by folder, and each failure with its clause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import yaml

from tests.conformance.robot.cases import Case, Outcome

__all__ = ["Run", "explanations", "group", "report", "subgroup", "unexplained"]

_HERE = Path(__file__).parent
FLOOR = 0.98


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over the suite. `decisions` counts decisions by folder, where policies were on."""

    access: str
    outcomes: Mapping[Case, Outcome]
    decisions: Mapping[str, int] = field(default_factory=dict)
    filters: Mapping[str, int] = field(default_factory=dict)


_LARGE = ("ContextInformation", "ContextSource")


def group(case: Case) -> str:
    """Give the group of a case: the first folder, of the large ones the first two."""
    parts = case.file.split("/")
    return "/".join(parts[:2]) if parts[0] in _LARGE else parts[0]


def subgroup(case: Case) -> str:
    """Give the row of a case: the first three folders."""
    parts = case.folder.split("/")
    return "/".join(parts[: 2 if parts[0] == "CommonBehaviours" else 3])


def explanations() -> dict[str, str]:
    """Why each case that fails does, by file and name (`file: name`); where it fails in one way of running alone,
    `file: name (governed)`.
    """
    found: dict[str, str] = yaml.safe_load((_HERE / "explained.yaml").read_text()) or {}
    return found


def key(case: Case, access: str = "") -> str:
    """How `explained.yaml` names a case, or what it is in one way of running alone."""
    return f"{case.file}: {case.name}" + (f" ({access})" if access else "")


def unexplained(runs: Sequence[Run]) -> list[str]:
    """Name cases that fail without a reason given or in one run alone, and reasons given for what passes in all."""
    reasons = explanations()
    ended = [(case, run.access, outcome.passed) for run in runs for case, outcome in run.outcomes.items()]
    own = {key(case, access) for case, access, _ in ended} & reasons.keys()
    failed = {key(case) for case, access, passed in ended if not passed and key(case, access) not in own}
    passes = {key(case, access) for case, access, passed in ended if passed} & own
    ran = {key(case) for case, _, _ in ended}
    uneven = [
        f"passes {run.access} alone: {key(case)}"
        for run, other in permutations(runs, 2)
        for case, outcome in sorted(run.outcomes.items())
        if outcome.passed and case in other.outcomes and not other.outcomes[case].passed
        if key(case, other.access) not in own
    ]
    return [
        *(f"fails unexplained: {name}" for name in sorted(failed - reasons.keys())),
        *uneven,
        *(f"explained, but passes: {name}" for name in sorted((reasons.keys() & ran) - failed | passes)),
    ]


def report(runs: Sequence[Run], suite_commit: str) -> str:
    """Write the whole file."""
    rows = sorted({subgroup(case) for run in runs for case in run.outcomes})
    heads = [column for run in runs for column in _heads(run)]
    lines = [
        "# The NGSI-LD conformance suite, case by case",
        "",
        "Written by `make conformance SUITE=PATH`, which repeats it offline. Suite: marek-mraz/ngsi-ld-test-suite",
        f"(ETSI's suite with extensions) at `{suite_commit}`; a fresh database for each row. *open*: no policies.",
        "*governed*: policies enforced, the anonymous party with one grant per type, each with a filter that is true",
        "of the suite's data; *decisions* are those audited, *filtered* SQL statements that carried a grant's filter",
        "(what concerns one entity by its id is weighed in memory on its row, and what concerns no entity not at all).",
        "",
        f"| group | {' | '.join(heads)} |",
        f"|---|{'---|' * len(heads)}",
    ]
    lines += [f"| {row} | {' | '.join(cell for run in runs for cell in _cells(run, row))} |" for row in rows]
    lines += [f"| **all** | {' | '.join(cell for run in runs for cell in _cells(run, None))} |", "", "## By group", ""]
    for run in runs:
        lines += [f"- {run.access}: " + "; ".join(_share(run, name) for name in _groups(run))]
    lines += ["", "## Failures, each by clause", ""]
    reasons = explanations()
    failed = sorted({case for run in runs for case, outcome in run.outcomes.items() if not outcome.passed})
    for case in failed:
        where = ", ".join(run.access for run in runs if case in run.outcomes and not run.outcomes[case].passed)
        why = next((reasons[name] for name in _names(case, runs) if name in reasons), "not explained yet")
        lines.append(f"- `{case.file}` {case.name} ({where}): {why}")
    return "\n".join(lines if failed else [*lines, "None."]) + "\n"


def _names(case: Case, runs: Sequence[Run]) -> list[str]:
    return [key(case), *(key(case, run.access) for run in runs)]


def _heads(run: Run) -> list[str]:
    return [run.access, "decisions", "filtered"] if run.decisions else [run.access]


def _cells(run: Run, row: str | None) -> list[str]:
    chosen = [one for case, one in run.outcomes.items() if row is None or subgroup(case) == row]
    cells = [f"{sum(one.passed for one in chosen)}/{len(chosen)}"]
    if run.decisions:
        cells += [_total(counts, row) for counts in (run.decisions, run.filters)]
    return cells


def _total(counts: Mapping[str, int], row: str | None) -> str:
    return str(sum(number for folder, number in counts.items() if row is None or f"{folder}/".startswith(f"{row}/")))


def _groups(run: Run) -> list[str]:
    return sorted({group(case) for case in run.outcomes})


def _share(run: Run, name: str) -> str:
    counts = Counter(one.passed for case, one in run.outcomes.items() if group(case) == name)
    share = counts[True] / (counts[True] + counts[False])
    return f"{name} {share:.1%}" + ("" if share >= FLOOR else f" (below {FLOOR:.0%})")
