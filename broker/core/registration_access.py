"""What a decision says of data that lie elsewhere: which (type, attribute) of a registration it covers.

The law is that of `broker.core.access`, of entities that this broker does not have:

- A grant whose filter looks at entities covers no registration: of entities held elsewhere it cannot be known.
- For the same reason a prohibition counts for every entity of its types, whatever its filter.
- A type is covered for an attribute if some grant is for both and no prohibition is. What stands for any type needs a
  grant for any type. An EntityInfo with several types needs each of them covered.
- To *register* a RegistrationInfo that names no attributes needs all attributes of its types covered. To *see* it, it
  needs any: the names are not there to be learnt.
- What is shown of another's registration is what is covered: each EntityInfo with the attributes that are covered for
  its types; one with none is left out, and a registration without any does not exist. It shows neither
  contextSourceInfo, which may hold keys, nor modifiedAt, which would tell when something hidden changes.

A party's own registrations are shown to it whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broker.core.access import ALL, EVERYTHING, NONE, Access
from broker.core.query import TRUE
from broker.core.registration import Registration

__all__ = ["Cover", "Reach", "uncovered"]

_HIDDEN = ("contextSourceInfo",)


@dataclass(frozen=True, slots=True)
class Cover:
    """The types that are covered: those of `types` (None: any) that are not among `barred` (None: all are)."""

    types: frozenset[str] | None
    barred: frozenset[str] | None = frozenset()

    def covers(self, types: Sequence[str]) -> bool:
        """Say whether all of these types are covered; none: types not known."""
        if self.barred is None:
            return False
        if not types:
            return self.types is None and not self.barred
        return all(one not in self.barred and (self.types is None or one in self.types) for one in types)


class Reach:
    """What an access covers of data that lie elsewhere."""

    def __init__(self, access: Access) -> None:
        self._grants = [one for one in access.grants if one.filter == TRUE]
        self._prohibitions = access.prohibitions
        self.whole = access is EVERYTHING
        sets = [*(one.attrs for one in self._grants), *(one.attrs for one in self._prohibitions)]
        self.named = frozenset(name for one in sets for name in one.names)
        self._known: dict[str, Cover] = {}

    def attr(self, name: str) -> Cover:
        """Say for which types an attribute is covered."""
        if name not in self._known:
            types = [one.types for one in self._grants if name in one.attrs]
            barred = [one.types for one in self._prohibitions if name in one.attrs]
            self._known[name] = Cover(_union(types), _union(barred))
        return self._known[name]

    def unheard(self) -> Cover:
        """Say for which types an attribute is covered that no grant and no prohibition names."""
        return self.attr("")

    def unnamed(self) -> Cover:
        """Say which types may be seen where no attributes are named."""
        types = [one.types for one in self._grants if one.attrs != NONE]
        return Cover(_union(types), _union([one.types for one in self._prohibitions if one.attrs == ALL]))

    def all_attrs(self) -> Cover:
        """Say for which types all attributes are covered."""
        types = [one.types for one in self._grants if one.attrs == ALL]
        return Cover(_union(types), _union([one.types for one in self._prohibitions if one.attrs != NONE]))

    def shown(self, doc: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is shown of another party's registration (in expanded form), None if it is not."""
        information = [part for info in doc["information"] for part in self._info(info)]
        if not information:
            return None
        return {name: value for name, value in doc.items() if name not in _HIDDEN} | {"information": information}

    def _info(self, info: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Split a RegistrationInfo into parts whose EntityInfos show the same attributes."""
        parts: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Any]] = {}
        properties, relationships = info.get("propertyNames", ()), info.get("relationshipNames", ())
        entities = info.get("entities")
        for entity in entities if entities is not None else [None]:
            types = () if entity is None else tuple(entity.get("type", ()))
            if not properties and not relationships:
                if self.unnamed().covers(types):
                    parts.setdefault(((), ()), []).append(entity)
                continue
            seen = (
                tuple(name for name in properties if self.attr(name).covers(types)),
                tuple(name for name in relationships if self.attr(name).covers(types)),
            )
            if any(seen):
                parts.setdefault(seen, []).append(entity)
        return [_part(found, names) for names, found in parts.items()]


def _part(entities: list[Any], names: tuple[tuple[str, ...], tuple[str, ...]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if entities != [None]:
        found["entities"] = entities
    for member, of in zip(("propertyNames", "relationshipNames"), names, strict=True):
        if of:
            found[member] = list(of)
    return found


def uncovered(one: Registration, access: Access) -> str | None:
    """Say what of a registration the access does not cover, None if it covers all that the source may have."""
    reach = Reach(access)
    if reach.whole:
        return None
    for info in one.information:
        for entity in info.entities or (None,):
            types = () if entity is None else entity.types
            named = f"the type {types[0]}" if types else "entities of any type"
            covers = [(f"the attribute {name} of {named}", reach.attr(name)) for name in info.attrs]
            for what, cover in covers or [(f"all attributes of {named}", reach.all_attrs())]:
                if not cover.covers(types):
                    return what
    return None


def _union(several: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    if None in several:
        return None
    return frozenset(one for names in several for one in names or ())
