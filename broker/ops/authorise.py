"""Whether a caller may make a change: the decision's grants over the entity before and after it.

A write needs, for the entity as it will be and (where it exists) as it is: a grant for every one of its types, and
every attribute that the change names visible under the access of the action. So filters hold on both sides, and a
prohibition stops a write as it stops a read.

No answer tells what is hidden. An entity that the caller may not see is missing; to create it is refused as any other
entity is that no grant covers, not as a conflict. An attribute is decided on by its name before it is looked for.
Replacing an entity and removing attributes from many leave the hidden ones as they are; deleting an entity needs the
whole of it to be visible, whether or not something is hidden in this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from broker.core import times
from broker.core.access import ALL, EVERYTHING, Access
from broker.core.entity import ENTITY_MEMBERS
from broker.core.errors import NgsiLdError
from broker.core.match import Meta, matches
from broker.core.narrow import AttrMask
from broker.core.patch import Shows
from broker.core.query import TRUE, Node
from broker.core.segments import doc
from broker.ops.entities import not_found
from broker.ops.sight import Sight, sight
from broker.store.write import Change, Guard, Row

__all__ = ["Refuse", "guard"]

Refuse = Callable[[str], NgsiLdError]
"""Makes the refusal from its detail; HTTP knows its type and where to apply."""


def guard(
    access: Access, change: Change, refuse: Refuse, types: Node | None = None, where: Node | None = None
) -> Guard | None:
    """Make the check of one change; None where the access covers everything and nothing else is asked.

    `types`: an entity of another type is as if there were none (4.17). `where`: so is one that does not meet it.
    """
    whole = access is EVERYTHING or _covers_all(access)
    if whole and types is None and where is None:
        return None
    written = frozenset(name for name in change.doc or () if name not in ENTITY_MEMBERS)
    if change.attr and change.attr not in ENTITY_MEMBERS:
        written |= {change.attr}
    asked = tuple(node for node in (types, where) if node is not None)
    return _Guard(access, change, refuse, written, asked, None if whole else sight(access))


@dataclass(frozen=True, slots=True)
class _Guard:
    access: Access
    change: Change
    refuse: Refuse
    written: frozenset[str]
    asked: tuple[Node, ...]
    seen: Sight | None

    def admit(self, before: Row | None) -> NgsiLdError | Shows | None:
        """Refuse the change for what the entity is; else say which attributes the writer sees."""
        if before is None:
            return None
        if self.asked:
            found = doc(before.id, before.types, before.scopes, before.names, before.segs)
            if not all(matches(node, found, _meta(before)) for node in self.asked):
                return not_found(before.id)
        if self.seen is None:
            return None
        mask = _mask(self.seen, before)
        if mask is None:
            makes = self.change.kind in ("create", "upsert_replace", "upsert_update")
            return self._uncovered() if makes else not_found(before.id)
        if self.change.kind == "delete" and not mask.all:
            return self.refuse(f"{before.id}: no grant covers the whole entity")
        return self._covered(before, mask, self.written) or (None if mask.all else mask.shows)

    def conclude(self, after: Row | None) -> NgsiLdError | None:
        """Refuse the change for what the entity becomes."""
        if after is None or self.seen is None:
            return None
        mask = _mask(self.seen, after)
        return self._uncovered() if mask is None else self._covered(after, mask, self.written)

    def _uncovered(self) -> NgsiLdError:
        return self.refuse(f"{self.change.id}: no grant covers this entity as written")

    def _covered(self, row: Row, mask: AttrMask, touched: Iterable[str]) -> NgsiLdError | None:
        for name in row.types:
            if not any(grant.types is None or name in grant.types for grant in self.access.grants):
                return self.refuse(f"{row.id}: no grant covers the type {name}")
        if mask.all:
            return None
        hidden = sorted(name for name in touched if not mask.shows(name))
        return self.refuse(f"{row.id}: no grant covers the attribute {hidden[0]}") if hidden else None


def _covers_all(access: Access) -> bool:
    return not access.prohibitions and any(
        grant.types is None and grant.attrs == ALL and grant.filter == TRUE for grant in access.grants
    )


def _meta(row: Row) -> Meta:
    return Meta(times.of(row.created_at), times.of(row.modified_at), row.meta)


def _mask(seen: Sight, row: Row) -> AttrMask | None:
    return seen.mask(row.id, row.types, row.scopes, row.names, row.segs, lambda: _meta(row))
