"""Routes of /trust."""

from __future__ import annotations

from fastapi import APIRouter

from policies.http import acts, desk, keys, log, terms, usage

__all__ = ["router"]

router = APIRouter(tags=["trust"])
router.include_router(terms.router)
for part in (acts, desk, keys, usage):
    router.include_router(part.router)
router.include_router(log.router, prefix="/log")
