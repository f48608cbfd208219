"""Storing, managing and serving @contexts (CIM 009 V1.9.1, 5.13).

Hosted and implicitly created contexts are a tenant's own; cached ones are the broker's copies of public documents, the
same under every tenant. Whoever reads data must be able to read the contexts it is named by, so what is hosted is
public; what the broker has cached or created on its own is for those who manage it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid4, uuid5

import orjson

from broker.core.errors import BadRequestData, OperationNotSupported, ResourceNotFound, TooManyResults
from broker.ld.contexts import Contexts
from broker.store import contexts as rows
from broker.store.contexts import ContextStorage, Entry, Kind
from broker.store.pool import Conn, Pool

__all__ = ["MOST", "add", "count_uses", "entries", "find", "implicit", "refresh", "reload", "remove", "serve"]

MOST: Final = 10_000
"""How many contexts of a kind a tenant has at most."""


async def add(conn: Conn, tenant: str, party: str, context: Any) -> str:
    """Store a context of the tenant (5.13.2) and return its local id. `conn` is the login role's, in a transaction."""
    await _room(conn, tenant, "Hosted")
    local_id = str(uuid4())
    await rows.host(conn, local_id, orjson.dumps({"@context": context}), "Hosted", tenant, party)
    return local_id


async def implicit(conn: Conn, tenant: str, party: str, context: Any, lives_s: float | None = None) -> str:
    """Store a context that a request brought along, so that answers can name it (5.13.1); return its local id.

    The same context is stored once. `lives_s`: for how long it is needed, None without end.
    """
    body = orjson.dumps({"@context": context})
    local_id = str(uuid5(NAMESPACE_URL, f"{tenant}\0{body.decode()}"))
    await _room(conn, tenant, "ImplicitlyCreated")
    await rows.host(conn, local_id, body, "ImplicitlyCreated", tenant, party, lives_s)
    if lives_s is None:
        await rows.keep(conn, local_id)
    return local_id


async def _room(conn: Conn, tenant: str, kind: Kind) -> None:
    if await rows.count(conn, tenant, kind) >= MOST:
        raise TooManyResults(f"@context: the tenant has {MOST} {kind} contexts, which is the most; delete some first")


async def entries(conn: Conn, tenant: str, kinds: Sequence[Kind]) -> list[Entry]:
    """Return the stored contexts of these kinds that the tenant has (5.13.3)."""
    return await rows.entries(conn, tenant, kinds)


async def find(conn: Conn, tenant: str, name: str, kinds: Sequence[Kind]) -> tuple[Entry, str]:
    """Return a stored context and its document by local id or URL; ResourceNotFound also for other kinds."""
    found = await rows.one(conn, tenant, name) if "\0" not in name else None
    if found is None or found[0].kind not in kinds:
        raise ResourceNotFound(f"there is no @context {name:.200} here")
    return found


async def serve(conn: Conn, tenant: str, name: str, kinds: Sequence[Kind]) -> bytes:
    """Return a hosted context's document (5.13.4); OperationNotSupported for a cached one."""
    entry, body = await find(conn, tenant, name, kinds)
    if entry.kind == "Cached":
        raise OperationNotSupported(f"{entry.url} is a cached @context: get it from there; details=true describes it")
    await rows.use(conn, {entry.url: 1})
    return body.encode()


async def remove(conn: Conn, tenant: str, name: str, party: str | None) -> Entry:
    """Remove a context (5.13.5), of the party alone if one is given; return what it was."""
    entry, _ = await find(conn, tenant, name, rows.KINDS)
    if party is not None and (entry.kind != "Hosted" or entry.party != party):
        raise ResourceNotFound(f"there is no @context {name:.200} of {party} here")
    await rows.remove(conn, entry.url)
    return entry


async def reload(pool: Pool, contexts: Contexts, tenant: str, name: str) -> None:
    """Fetch a cached context anew (5.13.5.4).

    SPEC 5.13.5.4: a name that is not stored is BadRequestData here, since it is no cached context.
    """
    async with pool.lend(None) as conn:
        found = await rows.one(conn, tenant, name) if "\0" not in name else None
    if found is None or found[0].kind != "Cached":
        raise BadRequestData(f"reload: {name:.200} is no cached @context; only these can be reloaded (5.13.5.4)")
    await contexts.reload(found[0].url)


async def count_uses(pool: Pool, storage: ContextStorage, contexts: Contexts) -> None:
    """Write the uses counted by this process down."""
    if not contexts.used:
        return
    used: dict[str, int] = {}
    for url, uses in contexts.used.items():
        if "\0" not in url:
            used[storage.key(url)] = used.get(storage.key(url), 0) + uses
    contexts.used.clear()
    async with pool.lend(None) as conn:
        await rows.use(conn, used)


async def refresh(pool: Pool, storage: ContextStorage, contexts: Contexts) -> None:
    """Make this process's contexts those of the database, where others change them; sweep what has expired."""
    await count_uses(pool, storage, contexts)
    for url in await storage.changed():
        contexts.forget(url)
    async with pool.lend(None) as conn:
        await rows.sweep(conn)
