"""Licences of everything that Datapolis runs on, read from the installed packages' own metadata.

The run-time dependencies and theirs must be free of GPL, AGPL and BSL, and LGPL is only admitted behind an optional
extra. A package whose metadata name no licence fails too, for somebody must then read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

__all__ = ["DEVIATIONS", "Finding", "examine"]

# Packages that break the rule and are run with for now: why, and what ends it. `make check` names them each time.
DEVIATIONS = {
    "frozendict": "LGPL-3.0, which pyld requires; ends when broker/ld builds active contexts without pyld",
}

_REFUSED = re.compile(
    r"\b(A?GPL|LGPL|BUSL|BSL-?1\.1|SSPL|Commons Clause)|(Affero|Lesser|Library)?\s*General Public", re.I
)
# SPDX joins alternatives by OR: one admissible alternative is enough.
_ALTERNATIVES = re.compile(r"\s+OR\s+")


@dataclass(frozen=True, slots=True)
class Finding:
    """A run-time dependency, its licence, and whether that is admitted."""

    name: str
    version: str
    licence: str
    admitted: bool


def examine(root: str = "datapolis") -> list[Finding]:
    """Look at every run-time dependency of a distribution, optional extras left out."""
    return [_finding(name) for name in sorted(_closure(root) - {root})]


def _finding(name: str) -> Finding:
    distribution = metadata.distribution(name)
    licence = _licence(distribution)
    admitted = bool(licence) and any(not _REFUSED.search(part) for part in _ALTERNATIVES.split(licence))
    return Finding(name, distribution.version, licence or "not stated", admitted)


def _licence(distribution: metadata.Distribution) -> str:
    fields = distribution.metadata
    expressions = fields.get_all("License-Expression")
    if expressions:
        return str(expressions[0])
    classifiers = [value for value in fields.get_all("Classifier") or [] if value.startswith("License :: ")]
    named = [value.rpartition(" :: ")[2] for value in classifiers if value != "License :: OSI Approved"]
    if named:
        return " OR ".join(named) if len(named) > 1 and "Public License" in " ".join(named) else " AND ".join(named)
    text = "".join(fields.get_all("License") or []).strip()
    return text.splitlines()[0][:80] if text and text.upper() != "UNKNOWN" else ""


def _closure(root: str) -> set[str]:
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        waiting += [(_normal(each.name), frozenset(each.extras)) for each in _requirements(name, extras)]
    return {name for name, _ in seen}


def _requirements(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        wanted = extras or frozenset({""})
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in wanted):
            yield requirement


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
