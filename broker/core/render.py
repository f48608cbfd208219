"""Entities as answers show them: normalized, concise, simplified (CIM 009 V1.9.1, 4.5.1 to 4.5.4), names compacted.

All functions read a document in internal form and build a new one with the names that a `Names` gives (an active
@context, or `EXPANDED`). What is not altered is shared with the input: do not change either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from broker.core import times
from broker.core.entity import INSTANCE_MEMBERS, KINDS, Doc, Instance, dataset_of
from broker.core.ids import NULL

__all__ = ["EXPANDED", "Expanded", "Form", "Names", "SysAttrs", "compact_instances", "compact_value", "render"]

Form: TypeAlias = Literal["normalized", "concise", "simplified"]

_COMPOUND: Final = frozenset({"value", "valueList", "previousValue", "previousValueList"})
_NAMED: Final = frozenset({"vocab", "previousVocab", "objectType", "valueType", "entityTypeSealed"})
_SIGNS: Final = frozenset({"type", "@type", "@value", *(kind.member for kind in KINDS.values())})
_NULLS: Final = (NULL, {"@none": NULL})
"""What stands in place of a value that was deleted (4.5.18.2, 5.8.6)."""
_WRAPPED: Final = frozenset({"languageMap", "json", "vocab"})


class Names(Protocol):
    """Turns internal names into the names of an answer."""

    def attr(self, iri: str) -> str:
        """Compact an attribute's name."""

    def name(self, iri: str) -> str:
        """Compact a name that stands as a value: an entity type, a vocab, an object type."""

    def key(self, iri: str, value: Any) -> str:
        """Compact a key inside a compound value."""


class Expanded:
    """Leaves every name as it is."""

    def attr(self, iri: str) -> str:
        """Return the IRI."""
        return iri

    def name(self, iri: str) -> str:
        """Return the IRI."""
        return iri

    def key(self, iri: str, value: Any) -> str:
        """Return the IRI."""
        return iri


EXPANDED: Final = Expanded()


@dataclass(frozen=True, slots=True)
class SysAttrs:
    """When an entity and its attributes came to be and changed: canonical texts, and the row's `meta`."""

    created_at: str
    modified_at: str
    meta: Mapping[str, Mapping[str, list[str]]]


def render(doc: Doc, names: Names, form: Form = "normalized", sys_attrs: SysAttrs | None = None) -> dict[str, Any]:
    """Render an entity. `sys_attrs` adds createdAt and modifiedAt (not in the simplified form's attributes)."""
    found: dict[str, Any] = {}
    for member, value in doc.items():
        if member == "id":
            found["id"] = value
        elif member == "type":
            found["type"] = _one_or_all(names.name, value)
        elif member == "scope":
            found["scope"] = value[0] if len(value) == 1 else value
        elif member == "expiresAt":
            found["expiresAt"] = value
        else:
            meta = sys_attrs.meta.get(member, {}) if sys_attrs and form != "simplified" else None
            found[names.attr(member)] = _attribute(value, names, form, meta)
    if sys_attrs is not None:
        found["createdAt"] = times.shown(sys_attrs.created_at)
        found["modifiedAt"] = times.shown(sys_attrs.modified_at)
    return found


def compact_instances(value: Instance | list[Instance], names: Names) -> Any:
    """Compact the names inside an attribute's instance or instances, in normalized form."""
    if isinstance(value, list):
        return [_normalized(one, names, None) for one in value]
    return _normalized(value, names, None)


def compact_value(value: Any, names: Names) -> Any:
    """Compact the keys inside a compound value."""
    if isinstance(value, dict):
        kind = value.get("@type")
        if kind == "@json":
            return value
        found: dict[str, Any] = {}
        for key, item in value.items():
            if key == "type" or key == "@type":
                found[key] = _one_or_all(names.name, item) if isinstance(item, str | list) else item
            elif key == "id" or key[:1] == "@":
                found[key] = item
            else:
                found[names.key(key, item)] = compact_value(item, names) if isinstance(item, dict | list) else item
        return found
    if isinstance(value, list):
        return [compact_value(item, names) if isinstance(item, dict | list) else item for item in value]
    return value


def _attribute(value: Any, names: Names, form: Form, meta: Mapping[str, list[str]] | None) -> Any:
    if form == "simplified":
        return _simplified_attribute(value, names)
    if form == "normalized":
        if isinstance(value, list):
            return [_normalized(one, names, meta) for one in value]
        return _normalized(value, names, meta)
    if isinstance(value, list):
        return [_concise(one, names, meta, bare=False) for one in value]
    return _concise(value, names, meta, bare=True)


def _normalized(one: Instance, names: Names, meta: Mapping[str, list[str]] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member, value in one.items():
        if member not in INSTANCE_MEMBERS:
            found[names.attr(member)] = compact_instances(value, names)
        else:
            found[member] = _member(member, value, one, names)
    if meta is not None:
        _stamp(found, one, meta)
    return found


def _concise(one: Instance, names: Names, meta: Mapping[str, list[str]] | None, *, bare: bool) -> Any:
    """Leave out what can be inferred: the type, and where nothing else is said also the wrapping (4.5.2.3)."""
    found: dict[str, Any] = {}
    for member, value in one.items():
        if member == "type":
            continue
        if member not in INSTANCE_MEMBERS:
            found[names.attr(member)] = _attribute(value, names, "concise", None)
        elif member == "objectList" and value != NULL:
            found[member] = [item["object"] for item in value]
        else:
            found[member] = _member(member, value, one, names)
    if meta is not None:
        _stamp(found, one, meta)
    if bare and len(found) == 1 and next(iter(found.values())) in _NULLS:
        return NULL
    if (
        bare
        and len(found) == 1
        and (one["type"] == "GeoProperty" or (one["type"] == "Property" and _alone(found["value"])))
    ):
        return found["value"]
    return found


def _alone(value: Any) -> bool:
    """Say whether a value that stands bare would be read back as a Property's value."""
    if isinstance(value, dict):
        return _SIGNS.isdisjoint(value)
    return not (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def _member(member: str, value: Any, one: Instance, names: Names) -> Any:
    if member in _COMPOUND:
        if isinstance(value, dict | list) and one.get("type") != "GeoProperty":
            return compact_value(value, names)
        return value
    if member in _NAMED:
        return _one_or_all(names.name, value, single=False)
    return value


def _stamp(found: dict[str, Any], one: Instance, meta: Mapping[str, list[str]]) -> None:
    entry = meta.get(dataset_of(one))
    if entry is not None:
        found["createdAt"] = times.shown(entry[1])
        found["modifiedAt"] = times.shown(entry[2])


def _simplified_attribute(value: Any, names: Names) -> Any:
    if isinstance(value, dict):
        return _simplified(value, names)
    return {"dataset": {dataset_of(one) or "@none": _simplified(one, names) for one in value}}


def _simplified(one: Instance, names: Names) -> Any:
    """Say only what the instance says (4.5.4)."""
    kind = KINDS[one["type"]]
    value = _member(kind.member, one.get(kind.member), one, names)
    if kind.member in _WRAPPED:
        if value in _NULLS:
            return NULL
        return {kind.member: value}
    if kind.member == "objectList" and isinstance(value, list):
        return [item["object"] if isinstance(item, dict) else item for item in value]
    return value


def _one_or_all(name: Callable[[str], str], value: str | Iterable[str], *, single: bool = True) -> Any:
    """Name one or several; a list of one becomes that one where `single` says so."""
    if isinstance(value, str):
        return value if value == NULL else name(value)
    found = [name(one) if isinstance(one, str) else one for one in value]
    return found[0] if single and len(found) == 1 else found
