"""Search the datasets: full text with facets, and walks by offset that stay true while datasets come and go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from catalog import vocabulary
from catalog.dataset import Dataset
from catalog.store.connect import Conn
from catalog.store.named import statement

__all__ = ["FACETS", "Found", "Query", "save", "search", "walk"]

FACETS = ("domain", "theme", "licence", "access")
_KEEP = timedelta(days=1)
_WORD = re.compile(r"[^\W_]{2,}")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: words (as of web searches), values of facets, order, and which part."""

    text: str = ""
    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sort: str = "relevance"
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of the page, how many there are in all, and how many of each value of each facet."""

    ids: tuple[str, ...]
    total: int
    facets: dict[str, dict[str, int]]


async def save(conn: Conn, datasets: Sequence[Dataset], at: datetime) -> None:
    """Make these the datasets that are found."""
    await conn.execute(statement("save_datasets"), [_row(d) for d in datasets])
    await conn.execute(statement("end_datasets"), [d.id for d in datasets], at)
    await conn.execute(statement("forget_datasets"), at - _KEEP)


def _row(d: Dataset) -> dict[str, Any]:
    return {
        "id": d.id,
        "domain": d.domain,
        "slug": d.slug,
        "title": d.title,
        "description": d.description,
        "keywords": d.keywords,
        "theme": d.theme,
        "licence": vocabulary.licence_label(d.licence) if d.licence else None,
        "access": vocabulary.access_right(d.classification, d.public).rpartition("/")[2].lower(),
        "publisher": d.publisher.name,
        "modified": d.modified,
    }


async def search(conn: Conn, query: Query) -> Found:
    """Find datasets. The last word may be the beginning of one, as people type."""
    words = _WORD.findall(query.text)
    wanted = [list(query.facets[name]) if query.facets.get(name) else None for name in FACETS]
    prefix = f"{words[-1].lower()}:*" if words and not query.text.endswith((" ", '"')) else ""
    rows = await conn.fetch(
        statement("search_datasets"), query.text.strip(), prefix, *wanted, query.sort, query.limit, query.offset
    )
    ids = sorted((row["n"], row["name"]) for row in rows if row["kind"] == "page")
    facets: dict[str, dict[str, int]] = {name: {} for name in FACETS}
    for row in sorted(rows, key=lambda r: (-r["n"], r["name"] or "")):
        if row["kind"] in facets:
            facets[row["kind"]][row["name"]] = row["n"]
    return Found(tuple(name for _, name in ids), next(r["n"] for r in rows if r["kind"] == "total"), facets)


async def walk(conn: Conn, limit: int, offset: int) -> tuple[list[str], int]:
    """The ids at these places of the walk that are still there, and how many places there are in all."""
    rows = await conn.fetch(statement("walk_datasets"), limit, offset)
    total = rows[0]["total"] if rows else await conn.fetchval("SELECT count(*) FROM catalog.datasets")
    return [row["id"] for row in rows if not row["gone"]], int(total)
