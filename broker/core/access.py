"""What a caller may see, in the broker's own terms: the grants of one decision.

The law is one paragraph: attribute a of entity e is visible iff some grant has type(e) among its types, its filter
true on the whole entity, a among its attributes, and no prohibition covers (e, a). An entity is visible iff some
grant matches it and no prohibition covers all of it. A hidden thing answers as if it did not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.core.query import TRUE, Node

__all__ = ["ALL", "EVERYTHING", "NONE", "Access", "AttrSet", "Grant", "Prohibition"]


@dataclass(frozen=True, slots=True)
class AttrSet:
    """Attributes by name: only these, or with `complement` all but these. `AttrSet()` is none, `ALL` is all."""

    names: frozenset[str] = frozenset()
    complement: bool = False

    def __contains__(self, attr: str) -> bool:
        return (attr in self.names) is not self.complement


ALL = AttrSet(complement=True)
NONE = AttrSet()


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission: entities of `types` (None: any) for which `filter` holds show the attributes `attrs`."""

    agreement: str
    version: int
    types: frozenset[str] | None
    attrs: AttrSet = ALL
    filter: Node = TRUE
    window_from: str | None = None
    window_to: str | None = None
    window_max_age: str | None = None
    resolution_time: str | None = None
    resolution_m: float | None = None
    aggregate_only: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prohibition:
    """Hides the attributes `attrs` (all of them: the whole entity) where type and filter match."""

    types: frozenset[str] | None
    attrs: AttrSet = ALL
    filter: Node = TRUE


@dataclass(frozen=True, slots=True)
class Access:
    """The grants and prohibitions of one decision. No grant: nothing is visible."""

    grants: tuple[Grant, ...] = ()
    prohibitions: tuple[Prohibition, ...] = ()


EVERYTHING = Access((Grant("urn:datapolis:open", 1, None),))
