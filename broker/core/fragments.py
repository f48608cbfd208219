"""What an attribute instance becomes by a partial update or a merge (CIM 009 V1.9.1, 5.5.8, 5.5.12, 5.6.4, 5.6.17).

A fragment is an instance in internal form of which members may be missing, the type as well; `BARE` holds a value that
stands alone (simplified representation, or concise without more), whose member follows from the stored instance's
kind. NGSI-LD Nulls remove what they stand for.
"""

from __future__ import annotations

from typing import Any, Final

from broker.core import geometry
from broker.core.entity import INSTANCE_MEMBERS, KIND_OF_MEMBER, KINDS, Instance, dataset_of, instances
from broker.core.errors import BadRequestData
from broker.core.ids import NULL

__all__ = ["BARE", "complete", "merged", "removes", "updated"]

BARE: Final = "@bare"

_PRIMARY: Final = frozenset({BARE, *(kind.member for kind in KINDS.values())})
_NULLS: Final[tuple[Any, ...]] = (NULL, [NULL], {"@none": NULL}, [{"object": NULL}])


def removes(fragment: Instance) -> bool:
    """Say whether the fragment is an NGSI-LD Null: the instance is to go."""
    return any(member in _PRIMARY and value in _NULLS for member, value in fragment.items())


def updated(stored: Instance, fragment: Instance) -> Instance | None:
    """Overwrite the members that the fragment has (5.6.4); None if it removes the instance."""
    if removes(fragment):
        return None
    _same_kind(stored, fragment)
    found = dict(stored)
    for member, value in fragment.items():
        if value == NULL or (member not in INSTANCE_MEMBERS and isinstance(value, dict) and removes(value)):
            found.pop(member, None)
        else:
            found[member] = value
    return found


def merged(
    stored: Instance | None, fragment: Instance, lang: str | None = None, observed_at: str | None = None
) -> Instance | None:
    """Merge a fragment into an instance to any depth (5.5.12); None if it removes the instance.

    `lang`: the key in a languageMap for a value that is given as text. `observed_at`: for an instance that has an
    observedAt and is given none.
    """
    if removes(fragment):
        return None
    if stored is None:
        return complete(fragment, lang)
    fragment = _as_kind(fragment, stored["type"], lang)
    _same_kind(stored, fragment)
    found = dict(stored)
    if observed_at is not None and "observedAt" in stored:
        found["observedAt"] = observed_at
    for member, value in fragment.items():
        if value == NULL:
            found.pop(member, None)
        elif member not in INSTANCE_MEMBERS:
            inner = _merged_values(stored.get(member), value, lang, observed_at)
            found.pop(member, None)
            if inner is not None:
                found[member] = inner
        elif member in ("value", "json", "languageMap") and stored["type"] != "GeoProperty":
            found[member] = _patched(stored.get(member), value)
        else:
            found[member] = value
    return found


def complete(fragment: Instance, lang: str | None = None) -> Instance:
    """Make an instance of a fragment that meets nothing: its kind is inferred, its nulls are left out."""
    kind = fragment.get("type") or _inferred(fragment)
    found: Instance = {"type": kind}
    for member, value in _as_kind(fragment, kind, lang).items():
        if member == "type" or value == NULL:
            continue
        if member not in INSTANCE_MEMBERS:
            inner = _merged_values(None, value, lang, None)
            if inner is not None:
                found[member] = inner
        else:
            found[member] = _patched(None, value) if member in ("value", "json", "languageMap") else value
    return found


def _merged_values(
    stored: Instance | list[Instance] | None,
    fragment: Instance | list[Instance],
    lang: str | None,
    observed_at: str | None,
) -> Instance | list[Instance] | None:
    """Merge a sub-attribute, instance by instance; None if nothing is left."""
    found = {dataset_of(one): one for one in instances(stored)} if stored is not None else {}
    for one in instances(fragment):
        inner = merged(found.get(dataset_of(one)), one, lang, observed_at)
        if inner is None:
            found.pop(dataset_of(one), None)
        else:
            found[dataset_of(one)] = inner
    left = list(found.values())
    return None if not left else left[0] if len(left) == 1 else left


def _same_kind(stored: Instance, fragment: Instance) -> None:
    kind = fragment.get("type", stored["type"])
    if kind != stored["type"]:
        raise BadRequestData(f"type: a {stored['type']} cannot become a {kind}; replace the attribute instead")


def _inferred(fragment: Instance) -> str:
    for member, kind in KIND_OF_MEMBER.items():
        if member in fragment:
            return kind.name
    value = fragment.get("value", fragment.get(BARE))
    return "GeoProperty" if geometry.looks_like(value) else "Property"


def _as_kind(fragment: Instance, kind: str, lang: str | None) -> Instance:
    """Give a value that stands alone, or a text in a language, the member that the kind has for it."""
    given = BARE if BARE in fragment else "value" if kind == "LanguageProperty" and "value" in fragment else None
    if given is None and kind == "LanguageProperty" and isinstance(fragment.get("languageMap"), str | list):
        given = "languageMap"
    if given is None or kind not in KINDS:
        return fragment
    value = fragment[given]
    found = {member: one for member, one in fragment.items() if member != given}
    if kind == "LanguageProperty":
        value = {lang or "@none": value} if isinstance(value, str | list) else value
    elif kind == "ListProperty" and not isinstance(value, list):
        value = [value]
    elif kind == "ListRelationship":
        several = value if isinstance(value, list) else [value]
        value = [{"object": one} if isinstance(one, str) else one for one in several]
    found[KINDS[kind].member] = value
    return found


def _patched(target: Any, patch: Any) -> Any:
    """Apply RFC 7396 with NGSI-LD Nulls for nulls. Arrays are values."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value == NULL:
            found.pop(key, None)
        else:
            found[key] = _patched(found.get(key), value)
    return found
