"""Context source registrations: register, update, delete, retrieve, discover (CIM 009 V1.9.1, 5.9.2 to 5.9.4, 5.10).

Registrations are kept, matched and told of; this broker does not forward requests to their sources yet, and nothing is
fetched from an endpoint. SPEC 4.3.6.3: what is registered as exclusive or redirect is never to be served by the broker
itself. Until it forwards, the broker keeps local data away from such registrations only where these are made: one over
data that exist is a conflict. A later local write is served locally as any other, for to refuse it would let a
registration take data from those who may write them.

What an answer tells of others' data:

- To register needs the action `register` for every type and attribute that the source may have
  (`broker.core.registration_access`); else 403 says which one is missing, as far as the request itself names it.
- Only the party that made a registration changes or removes it. For anybody else it is, for that, not there.
- A conflict (5.9.2.4), with a registration or with an entity, is told as 409 where the caller may read what stands in
  the way. Where it may not, the refusal is that of data which no grant covers, as in batches: it says neither that
  something is there nor what. So is an id that a hidden registration has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from uuid_utils import uuid7

from broker.core import times
from broker.core.access import Access
from broker.core.errors import AlreadyExists, Conflict, ResourceNotFound, TooManyResults
from broker.core.narrow import narrow
from broker.core.query import And, AnyAttr, IdIn, IdPattern, Node, Or, Query, TypeIs
from broker.core.registration import Asked, EntityInfo, Registration, RegistrationInfo
from broker.core.registration_access import Reach, uncovered
from broker.ops.authorise import Refuse
from broker.store import registration_search as search
from broker.store import registrations as rows
from broker.store.pool import Conn
from broker.store.registrations import Stored

__all__ = ["MOST_PER_PARTY", "Writer", "count", "create", "delete", "page", "retrieve", "shown", "update"]

MOST_PER_PARTY: Final = 1000
_PROXIED: Final = ("exclusive", "redirect")


class Writer:
    """Who writes registrations: the party, what it may register, what it may read, and how it is refused."""

    def __init__(self, tenant: str, party: str, registers: Access, reads: Access, refuse: Refuse) -> None:
        self.tenant = tenant
        self.party = party
        self.registers = registers
        self.reads = reads
        self.refuse = refuse

    def sees(self, stored: Stored) -> bool:
        """Say whether the party sees a registration, or a part of it."""
        return search.seen(stored, Reach(self.reads), self.party) is not None


async def create(conn: Conn, who: Writer, doc: dict[str, Any], now: datetime) -> str:
    """Store a registration (5.9.2) and return its id. `conn` is the tenant's, in a transaction."""
    id = doc.pop("id", None) or f"urn:ngsi-ld:ContextSourceRegistration:{uuid7()}"
    stored = Stored(id, doc, who.party, now, now, _expiry(doc))
    _covered(stored, who)
    await rows.guard(conn, who.tenant)
    if await rows.count(conn, who.party) >= MOST_PER_PARTY:
        raise TooManyResults(f"registrations: a party has at most {MOST_PER_PARTY}; delete one first")
    taken = await rows.lock(conn, id)
    if taken is not None and taken.expires_at is not None and taken.expires_at <= now:
        await rows.delete(conn, who.tenant, id, now)
        taken = None
    if taken is not None:
        if who.sees(taken):
            raise AlreadyExists(f"id: there is a registration {id} already")
        raise _hidden(stored, who)
    await _free(conn, stored, who, now)
    await rows.insert(conn, who.tenant, stored)
    return id


async def update(
    conn: Conn, who: Writer, id: str, merge: Callable[[Mapping[str, Any]], dict[str, Any]], now: datetime
) -> None:
    """Change a registration of the party (5.9.3); `merge` makes the new document of the old one."""
    await rows.guard(conn, who.tenant)
    was = await rows.lock(conn, id)
    if was is None or was.party != who.party or (was.expires_at is not None and was.expires_at <= now):
        raise _missing(id)
    doc = merge(was.doc)
    stored = Stored(id, doc, who.party, was.created_at, now, _expiry(doc))
    _covered(stored, who)
    await _free(conn, stored, who, now)
    await rows.replace(conn, who.tenant, was, stored)


async def delete(conn: Conn, tenant: str, party: str, id: str, now: datetime) -> None:
    """Delete a registration of the party (5.9.4)."""
    was = await rows.lock(conn, id)
    if was is None or was.party != party or (was.expires_at is not None and was.expires_at <= now):
        raise _missing(id)
    await rows.delete(conn, tenant, id, now)


async def retrieve(conn: Conn, id: str, party: str, reads: Access, now: datetime) -> Stored:
    """Return what the party sees of a registration (5.10.1)."""
    found = await rows.one(conn, id, now)
    seen = None if found is None else search.seen(found, Reach(reads), party)
    if seen is None:
        raise _missing(id)
    return seen


async def page(
    conn: Conn, asked: Asked, party: str, reads: Access, limit: int, offset: int, now: datetime
) -> list[Stored]:
    """Return a page of the registrations that match (5.10.2), each as the party sees it."""
    reach = Reach(reads)
    found = await search.page(conn, asked, reach, party, limit, offset, now)
    seen = [search.seen(one, reach, party) for one in found]
    return [one for one in seen if one is not None]


async def count(conn: Conn, asked: Asked, party: str, reads: Access, now: datetime) -> int:
    """Count the registrations that match and that the party sees."""
    return await search.count(conn, asked, Reach(reads), party, now)


def _missing(id: str) -> ResourceNotFound:
    return ResourceNotFound(f"id: there is no registration {id}")


def _hidden(stored: Stored, who: Writer) -> Exception:
    return who.refuse(f"{stored.id}: no grant covers this registration as written")


def _covered(stored: Stored, who: Writer) -> None:
    lacking = uncovered(stored.compiled, who.registers)
    if lacking is not None:
        raise who.refuse(f"{stored.id}: no grant covers {lacking}")


def _expiry(doc: Mapping[str, Any]) -> datetime | None:
    return times.to_datetime(doc["expiresAt"]) if "expiresAt" in doc else None


# ---- conflicts (5.9.2.4)


async def _free(conn: Conn, stored: Stored, who: Writer, now: datetime) -> None:
    """Refuse an exclusive or redirect registration of what is registered so already, or held here."""
    one = stored.compiled
    if one.mode not in _PROXIED:
        return
    others = await search.overlapping(conn, one, _PROXIED if one.mode == "exclusive" else ("exclusive",), now)
    seen = next((other for other in others if who.sees(other)), None)
    if seen is not None:
        raise Conflict(
            f"information: the registration {seen.id}, which is {seen.compiled.mode}, has some of it (4.3.6.3)"
        )
    where = _held(one)
    here = await search.entities_in_the_way(conn, narrow(Query(where), who.reads).where)
    if here is not None:
        raise Conflict(f"information: the entity {here} is held by this broker, or some of its attributes (5.9.2.4)")
    if others or await search.entities_in_the_way(conn, where) is not None:
        raise _hidden(stored, who)


def _held(one: Registration) -> Node:
    """Give the condition on the entities that a registration would be about."""
    return Or(tuple(node for info in one.information for node in _of_info(info, exclusive=one.mode == "exclusive")))


def _of_info(info: RegistrationInfo, *, exclusive: bool) -> Sequence[Node]:
    attrs: tuple[Node, ...] = (AnyAttr(info.attrs),) if info.attrs else ()
    return [And((*_of_entity(entity, exclusive), *attrs)) for entity in info.entities] or [And(attrs)]


def _of_entity(entity: EntityInfo, exclusive: bool) -> tuple[Node, ...]:
    """SPEC 5.9.2.4: for an exclusive registration the entity's id counts, whatever its types."""
    types: tuple[Node, ...] = () if exclusive else tuple(TypeIs(one) for one in entity.types)
    if entity.id is not None:
        return (IdIn((entity.id,)), *types)
    return types if entity.id_pattern is None else (*types, IdPattern(entity.id_pattern))


# ---- what goes out


def shown(stored: Stored, name: Callable[[str], str], attr: Callable[[str], str]) -> dict[str, Any]:
    """Return a registration as an answer shows it; `name` compacts a type, `attr` an attribute. No `@context` in it."""
    doc = {key: value for key, value in stored.doc.items() if key != "properties"}
    doc["information"] = [_shown_info(one, name, attr) for one in doc["information"]]
    for member in ("observationInterval", "managementInterval"):
        if member in doc:
            doc[member] = {end: times.shown(at) for end, at in doc[member].items()}
    if "expiresAt" in doc:
        doc["expiresAt"] = times.shown(doc["expiresAt"])
    if len(doc.get("scope", ())) == 1:
        doc["scope"] = doc["scope"][0]
    own = {attr(key): value for key, value in stored.doc.get("properties", {}).items()}
    return {"id": stored.id, "type": "ContextSourceRegistration", **doc, **own}


def _shown_info(info: Mapping[str, Any], name: Callable[[str], str], attr: Callable[[str], str]) -> dict[str, Any]:
    found = dict(info)
    if "entities" in info:
        found["entities"] = [_shown_entity(one, name) for one in info["entities"]]
    for member in ("propertyNames", "relationshipNames"):
        if member in info:
            found[member] = [attr(one) for one in info[member]]
    return found


def _shown_entity(entity: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    found = dict(entity)
    if "type" in entity:
        types = [name(one) for one in entity["type"]]
        found["type"] = types[0] if len(types) == 1 else types
    return found
