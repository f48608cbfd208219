"""Schema drift: what records are made of, held against a baseline that was learnt from the feed's first records.

A baseline is the members (paths) that were seen, their JSON types, and which of them every record had; it is learnt
from the first `LEARN` records and kept in the feed's state. A later record drifts if it has a member that neither
baseline nor mapping knows, lacks one that every record had, or has one of another type. Names of members are kept in
the state folder only and never published; values are not looked at. Integers and other numbers are one type; null is a
member without a type. Memory is bounded by `_PATHS`, `_NAMES` and `_SHAPES`, whatever a source sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.geojson import is_geometry

__all__ = ["KINDS", "LEARN", "Drift"]

LEARN = 1_000
KINDS = {"gtfs": "table", "gtfs-rt": "entity", "gbfs": "file"}
"""Decoders that give records of several kinds, and the member that tells them apart."""
_PATHS = 1_000
_NAMES = 100
_SHAPES = 512
_DEPTH = 4
_LONGEST = 100
_OPEN = 64  # an object with more members than these is a table with keys of its own, not a structure
_OTHER = "(more)"
_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", dict: "object", list: "array"}

Paths = dict[str, str]
Kinds = dict[str, dict[str, int]]


class Drift:
    """The baseline of one feed and what was counted against it. `state` and `of` carry it over restarts."""

    def __init__(self, keep: Iterable[str] = (), kind: str | None = None, learn: int = LEARN) -> None:
        self.compared = self.drifted = self.learnt = 0
        self.counts: Kinds = {"new": {}, "vanished": {}, "retyped": {}}
        self._known = tuple(path.split("/") for path in keep)
        self._kind = kind
        self._learn = learn
        self._types: dict[str, set[str]] = {}
        self._seen: dict[str, int] = {}
        self._of: dict[str, int] = {}
        self._always: dict[str, frozenset[str]] = {}
        self._good: set[int] = set()  # hashes, so that long names take no room

    @property
    def learning(self) -> bool:
        """Whether the baseline is still being learnt."""
        return self.learnt < self._learn

    def note(self, record: Mapping[str, Any]) -> bool:
        """Learn from a record, or count it; True if it drifts."""
        kind = str(record.get(self._kind, ""))[:_LONGEST] if self._kind is not None else ""
        if self.learning:
            self._take(kind, _paths(record))
            return False
        self.compared += 1
        shape = hash((kind, _shape(record, 0)))
        if shape in self._good:
            return False
        drifted = False
        for what, path in self.differences(record):
            drifted = True
            counted = self.counts[what]
            name = path if path in counted or len(counted) < _NAMES else _OTHER
            counted[name] = counted.get(name, 0) + 1
        self.drifted += drifted
        if not drifted and len(self._good) < _SHAPES:
            self._good.add(shape)
        return drifted

    def differences(self, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Say how a record differs from the baseline: (new | vanished | retyped, path). Counts nothing."""
        kind = str(record.get(self._kind, ""))[:_LONGEST] if self._kind is not None else ""
        found = _paths(record)
        if kind not in self._of:
            if self._of:
                yield "new", f"{self._kind}={kind}"
            return
        for path, type_ in found.items():
            types = self._types.get(f"{kind}:{path}")
            if types is None:
                if not self._maps(path) and len(self._types) < _PATHS:
                    yield "new", path
            elif type_ and types and type_ not in types:
                yield "retyped", path
        for path in sorted(self._always.get(kind, frozenset()) - found.keys()):
            if path.rpartition("/")[0] in found or "/" not in path:
                yield "vanished", path

    def _maps(self, path: str) -> bool:
        steps = path.replace("[]", "").split("/")
        return any(
            known[: len(steps)] == steps or (known[-1] == "*" and known[:-1] == steps[: len(known) - 1])
            for known in self._known
        )

    def _take(self, kind: str, found: Paths) -> None:
        self.learnt += 1
        if kind in self._of or len(self._of) < _OPEN:
            self._of[kind] = self._of.get(kind, 0) + 1
        for path, type_ in found.items():
            name = f"{kind}:{path}"
            if name not in self._types:
                if len(self._types) >= _PATHS:
                    continue
                self._types[name] = set()
            if type_:
                self._types[name].add(type_)
            self._seen[name] = self._seen.get(name, 0) + 1
        if not self.learning:
            self._settle()

    def _settle(self) -> None:
        self._always = {
            kind: frozenset(
                path.partition(":")[2]
                for path, times in self._seen.items()
                if times == records and path.partition(":")[0] == kind and "[]" not in path
            )
            for kind, records in self._of.items()
        }

    def state(self) -> dict[str, Any]:
        """Give what `restore` takes: JSON."""
        return {
            "learnt": self.learnt, "compared": self.compared, "drifted": self.drifted, "counts": self.counts,
            "types": {path: sorted(types) for path, types in self._types.items()}, "seen": self._seen, "of": self._of,
        }  # fmt: skip

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take up a kept baseline; start anew where there is none."""
        self.learnt, self.compared = int(kept.get("learnt", 0)), int(kept.get("compared", 0))
        self.drifted = int(kept.get("drifted", 0))
        self.counts = {name: dict(kept.get("counts", {}).get(name, {})) for name in self.counts}
        self._types = {path: set(types) for path, types in kept.get("types", {}).items()}
        self._seen, self._of = dict(kept.get("seen", {})), dict(kept.get("of", {}))
        self._good.clear()
        self._settle()


def _paths(record: Mapping[str, Any]) -> Paths:
    found: Paths = {}
    _walk(record, "", 1, found)
    return found


def _walk(members: Mapping[str, Any], above: str, depth: int, found: Paths) -> None:
    for name, value in members.items():
        if len(found) > _PATHS:
            return
        path = f"{above}{str(name)[:_LONGEST]}"
        found[path] = _TYPES.get(type(value), "")
        inner = value[0] if isinstance(value, list) and value else value
        if depth < _DEPTH and isinstance(inner, dict) and len(inner) <= _OPEN and not is_geometry(inner):
            _walk(inner, f"{path}[]/" if isinstance(value, list) else f"{path}/", depth + 1, found)


def _shape(value: Any, depth: int) -> Any:
    """Sum up a record for a look-up: names and types, as deep as `_walk` goes."""
    if isinstance(value, list):
        inner = value[0] if value else None
        return (list, _shape(inner, depth) if isinstance(inner, dict) else None)
    if not isinstance(value, dict) or depth >= _DEPTH or len(value) > (_PATHS if depth == 0 else _OPEN):
        return type(value)
    if depth and is_geometry(value):
        return dict
    return tuple((name, _shape(inner, depth + 1)) for name, inner in value.items())
