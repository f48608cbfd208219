"""The audit log for outsiders: signed checkpoints, proofs, and commitments. Records themselves are not public."""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from policies.audit import tree
from policies.http.problems import missing, wrong
from policies.store import log
from policies.store.connect import Conn, Pool

__all__ = ["router"]

router = APIRouter()


def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.trust_pool
    return pool


def _b64(hashes: list[bytes]) -> list[str]:
    return [b64encode(item).decode() for item in hashes]


async def _signed_size(conn: Conn) -> int:
    newest = await log.checkpoint(conn)
    return 0 if newest is None else newest["size"]


@router.get("/checkpoint")
async def checkpoint(request: Request) -> Response:
    """Give the newest checkpoint, a signed note (c2sp.org/tlog-checkpoint)."""
    async with _pool(request).acquire() as conn:
        newest = await log.checkpoint(conn)
    if newest is None:
        return missing("nothing has been sealed yet")
    return PlainTextResponse(newest["note"], headers={"Cache-Control": "no-cache"})


@router.get("/key")
async def key(request: Request) -> Response:
    """Give the verifier key of the log (c2sp.org/signed-note)."""
    async with _pool(request).acquire() as conn:
        found = await log.vkey(conn)
    return missing("no sealer has run yet") if found is None else PlainTextResponse(found + "\n")


@router.get("/proof")
async def proof(request: Request, id: str, size: int | None = None) -> Response:
    """Prove that the record of a receipt (`Datapolis-Audit: <id>:<c>`) is in the log of `size` leaves."""
    try:
        wanted = str(UUID(id.partition(":")[0]))
    except ValueError:
        return wrong("id must be the id of a receipt, a UUID")
    async with _pool(request).acquire() as conn:
        signed = await _signed_size(conn)
        leaf = await log.leaf(conn, wanted)
        size = signed if size is None else size
        if leaf is None:
            return missing(f"the record {wanted} is not sealed yet, or never was; ask again in a few seconds")
        if not leaf.seq < size <= signed:
            return wrong(f"size must be above {leaf.seq} and at most {signed}")
        nodes = await log.nodes(conn, tree.plan(partial(tree.inclusion, leaf.seq, size)))
    path = tree.inclusion(leaf.seq, size, nodes)
    return JSONResponse({"id": wanted, "index": leaf.seq, "size": size, "c": leaf.c.hex(), "path": _b64(path)})


@router.get("/consistency")
async def consistency(request: Request, old: int, new: int | None = None) -> Response:
    """Prove that the log of `old` leaves is the beginning of the log of `new` leaves."""
    async with _pool(request).acquire() as conn:
        signed = await _signed_size(conn)
        new = signed if new is None else new
        if not 0 < old <= new <= signed:
            return wrong(f"0 < old <= new <= {signed} must hold")
        nodes = await log.nodes(conn, tree.plan(partial(tree.consistency, old, new)))
    return JSONResponse({"old": old, "new": new, "path": _b64(tree.consistency(old, new, nodes))})


@router.get("/leaf")
async def leaf(request: Request, id: str) -> Response:
    """Give the place and commitment of a record, and whether it has been erased."""
    try:
        wanted = str(UUID(id.partition(":")[0]))
    except ValueError:
        return wrong("id must be the id of a receipt, a UUID")
    async with _pool(request).acquire() as conn:
        found = await log.leaf(conn, wanted)
    if found is None:
        return missing(f"the record {wanted} is not sealed yet, or never was; ask again in a few seconds")
    return JSONResponse({"id": wanted, "index": found.seq, "c": found.c.hex(), "erased": found.record is None})
