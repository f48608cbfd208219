"""Score the catalog's own metadata again and again, over HTTP as an anonymous client would, and keep the scores.

A page of the catalog is scored at a time: its addresses are asked and its shapes are checked, which takes a second or
two. A small catalog is one page and is scored every interval; a large one goes on to the next page after a tenth of
it, so that scoring never takes more than a small share of the time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp
import structlog

from catalog.document import DocumentError
from catalog.mqa import score_page
from catalog.settings import Settings
from catalog.store import scores
from catalog.store.connect import Pool, StoreUnavailable, translated

__all__ = ["keep_scoring"]

_log = structlog.get_logger("catalog.scoring")
_HURRY = 10
_FIRST_S = 2.0


async def keep_scoring(settings: Settings, pool: Pool, http: aiohttp.ClientSession, stop: asyncio.Event) -> None:
    """Score until told to stop; what cannot be read, as of a catalog that is just starting, is named and tried again
    soon, each time after twice as long."""
    start = f"{settings.catalog_url.rstrip('/')}/catalog"
    soon = min(_FIRST_S, settings.score_interval_s)
    following, rest, again, said = start, soon, soon, ""
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), rest)
            return
        rest, again = again, min(again * 2, settings.score_interval_s)
        try:
            found, after = await score_page(http, following)
            ids = {s.dataset.partition("/catalog/datasets/")[2]: s for s in found}
            with translated():
                async with pool.acquire() as conn:
                    await scores.save(conn, {i: s for i, s in ids.items() if i}, datetime.now(UTC))
            following, said = after or start, ""
            if found:
                rest, again = settings.score_interval_s / (_HURRY if after else 1), soon
        except (DocumentError, StoreUnavailable) as error:
            text, following = f"{type(error).__name__}: {error}", start
            if text != said:
                _log.warning("not_scored", error=text)
            said = text
