"""Whether a caller may make a change: the decision's grants over the entity before and after it.

A write needs, for the entity as it will be and (where it exists) as it is: a grant for every one of its types, and
every attribute that the change touches visible under the access of the action. So filters hold on both sides, and a
prohibition stops a write as it stops a read. What the caller may not see at all is missing, not refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from broker.core import times
from broker.core.access import ALL, EVERYTHING, Access
from broker.core.entity import ENTITY_MEMBERS
from broker.core.errors import NgsiLdError
from broker.core.match import Meta
from broker.core.narrow import AttrMask
from broker.core.query import TRUE
from broker.ops.entities import not_found
from broker.ops.sight import Sight, sight
from broker.store.write import Change, Guard, Row

__all__ = ["Refuse", "guard"]

Refuse = Callable[[str], NgsiLdError]
"""Makes the refusal from its detail; HTTP knows its type and where to apply."""


def guard(access: Access, change: Change, refuse: Refuse) -> Guard | None:
    """Make the check of one change; None where the access covers everything."""
    if access is EVERYTHING or _covers_all(access):
        return None
    seen = sight(access)
    written = frozenset(name for name in change.doc or () if name not in ENTITY_MEMBERS)
    removes = change.kind in ("upsert_replace", "delete", "ingest_replace")

    def check(before: Row | None, after: Row | None) -> NgsiLdError | None:
        if before is not None:
            mask = _mask(seen, before)
            if mask is None:
                return not_found(before.id) if change.kind == "delete" else refuse(f"{before.id}: not covered")
            touched = written.intersection(before.names) if not removes else before.names
            error = _covered(access, before, mask, touched, refuse)
            if error is not None:
                return error
        if after is None:
            return None
        mask = _mask(seen, after)
        if mask is None:
            return refuse(f"{after.id}: no grant covers this entity as written (type {', '.join(after.types)})")
        return _covered(access, after, mask, written, refuse)

    return check


def _covers_all(access: Access) -> bool:
    return not access.prohibitions and any(
        grant.types is None and grant.attrs == ALL and grant.filter == TRUE for grant in access.grants
    )


def _mask(seen: Sight, row: Row) -> AttrMask | None:
    return seen.mask(
        row.id,
        row.types,
        row.scopes,
        row.names,
        row.segs,
        lambda: Meta(times.of(row.created_at), times.of(row.modified_at), row.meta),
    )


def _covered(access: Access, row: Row, mask: AttrMask, touched: Iterable[str], refuse: Refuse) -> NgsiLdError | None:
    for name in row.types:
        if not any(grant.types is None or name in grant.types for grant in access.grants):
            return refuse(f"{row.id}: no grant covers the type {name}")
    if mask.all:
        return None
    hidden = sorted(name for name in touched if not mask.shows(name))
    return refuse(f"{row.id}: no grant covers the attribute {hidden[0]}") if hidden else None
