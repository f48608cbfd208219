"""Reduce an entity to what a request wants: members, instances, one language (CIM 009 V1.9.1, 4.21, 4.5.5, 4.15).

Documents are in internal form and are not changed; what is kept is shared with the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from broker.core.entity import ENTITY_MEMBERS, Doc, Instance, dataset_of, instances
from broker.core.errors import BadRequestData
from broker.core.ids import NULL

__all__ = ["EVERYTHING", "LanguageRange", "Projection", "language", "parse_languages", "project", "without_expiry"]

LanguageRange: TypeAlias = tuple[str, float]
"""A language range of RFC 4647, lower case, `*` for any, and its weight."""

_RANGE: Final = re.compile(
    r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*(0(?:\.\d{1,3})?|1(?:\.0{1,3})?)\s*)?"
)
_MAX_LANG: Final = 1000


@dataclass(frozen=True, slots=True)
class Projection:
    """Which members and instances to keep. Names are `id`, `type`, `scope` or attribute IRIs.

    `pick`: only these members (None: all). `omit`: not these. `attrs`: of the attributes only these (None: all; id,
    type and scope stay). `datasets`: only instances with these datasetIds (None: all; "" the default instance).
    `linked`: what to keep of the entities that a Relationship leads to, where that is not everything (4.21).
    """

    pick: frozenset[str] | None = None
    omit: frozenset[str] = frozenset()
    attrs: frozenset[str] | None = None
    datasets: frozenset[str] | None = None
    linked: tuple[tuple[str, Projection], ...] = ()

    def of(self, relationship: str) -> Projection:
        """Return what to keep of the entities that the Relationship leads to."""
        return next((one for name, one in self.linked if name == relationship), EVERYTHING)

    def keeps(self, member: str) -> bool:
        """Say whether a first-level member stays."""
        if member in self.omit or (self.pick is not None and member not in self.pick):
            return False
        return self.attrs is None or member in ENTITY_MEMBERS or member in self.attrs


EVERYTHING: Final = Projection()


def project(doc: Doc, projection: Projection) -> Doc:
    """Return the document with what the projection keeps; the document itself if that is everything."""
    if projection == EVERYTHING:
        return doc
    found: Doc = {}
    for member, value in doc.items():
        if not projection.keeps(member):
            continue
        if projection.datasets is None or member in ENTITY_MEMBERS:
            found[member] = value
            continue
        kept = [one for one in instances(value) if dataset_of(one) in projection.datasets]
        if kept:
            found[member] = kept[0] if len(kept) == 1 else kept
    return found


def parse_languages(text: str) -> tuple[LanguageRange, ...]:
    """Parse the `lang` parameter (`en`, `fr-CH,fr;q=0.9,*;q=0.5`), best first; BadRequestData if wrong."""
    if len(text) > _MAX_LANG:
        raise BadRequestData(f"lang: longer than {_MAX_LANG} characters")
    found: list[LanguageRange] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise BadRequestData(f"lang: {part!r:.60} is no language range such as en, fr-CH;q=0.8 or *")
        found.append((match[1].lower(), float(match[2] or 1)))
    return tuple(sorted(found, key=lambda one: -one[1]))


def language(doc: Doc, ranges: Sequence[LanguageRange]) -> Doc:
    """Turn each LanguageProperty into a Property in the best language that it has, with `lang` saying which."""
    return {member: value if member in ENTITY_MEMBERS else _speak_all(value, ranges) for member, value in doc.items()}


def _speak_all(value: Any, ranges: Sequence[LanguageRange]) -> Any:
    if isinstance(value, list):
        return [_speak(one, ranges) for one in value]
    return _speak(value, ranges)


def _speak(one: Instance, ranges: Sequence[LanguageRange]) -> Instance:
    """Turn one instance; its sub-attributes too."""
    if one.get("type") != "LanguageProperty":
        return {
            member: _speak_all(value, ranges) if ":" in member and isinstance(value, dict | list) else value
            for member, value in one.items()
        }
    tags: dict[str, Any] = one["languageMap"]
    if tags == {"@none": NULL}:
        return one
    tag = _best(tags, ranges)
    found: Instance = {"type": "Property", "value": tags[tag], "lang": tag}
    for member, value in one.items():
        if member not in ("type", "languageMap"):
            found[member] = _speak_all(value, ranges) if ":" in member and isinstance(value, dict | list) else value
    return found


def _best(tags: dict[str, Any], ranges: Sequence[LanguageRange]) -> str:
    """Choose a tag: by the ranges in order, else the default or the first.

    A range matches its own tag, else a narrower one, else (RFC 4647, 3.4) the tag that it shortens to.
    """
    lower = {tag.lower(): tag for tag in reversed(tags)}
    for wanted, weight in ranges:
        if weight == 0:
            continue
        if wanted == "*":
            break
        narrower = next((tag for tag in tags if tag.lower().startswith(wanted + "-")), None)
        shorter = (lower[one] for one in _shortened(wanted) if one in lower)
        found = lower.get(wanted) or narrower or next(shorter, None)
        if found is not None:
            return found
    return "@none" if "@none" in tags else next(iter(tags))


def _shortened(wanted: str) -> Iterator[str]:
    """Yield a language range without its last subtag, and so on; a single letter goes with what follows it."""
    parts = wanted.split("-")
    while len(parts) > 1:
        parts.pop()
        if len(parts[-1]) == 1:
            parts.pop()
        yield "-".join(parts)


def without_expiry(value: Any) -> Any:
    """Leave `expiresAt` out of an attribute and its sub-attributes: only system attributes show it (6.3.11)."""
    if isinstance(value, list):
        return [without_expiry(one) for one in value]
    return {
        member: without_expiry(item) if ":" in member and isinstance(item, dict | list) else item
        for member, item in value.items()
        if member != "expiresAt"
    }
