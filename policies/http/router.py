"""Routes of /trust."""

from __future__ import annotations

from fastapi import APIRouter

from policies.http import keys, log, terms

__all__ = ["router"]

router = APIRouter(tags=["trust"])
router.include_router(terms.router)
router.include_router(keys.router)
router.include_router(log.router, prefix="/log")
