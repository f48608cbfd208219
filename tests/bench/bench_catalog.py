"""The catalog at 10,000 datasets: pages of twenty in every form, the portal's pages and searches, while it assesses.

A hundred domains of a hundred types each; the assessor works all the time. One client walks the catalog, so that each
page is asked for once: the 95th percentile of that walk is held against 200 ms, that of searches against 300 ms. Then a
page that was shown before is loaded in slices of one second, in turns with a static answer of equal bytes by the same
server. DATAPOLIS_BENCH_DATASETS sets another number of datasets than 10,000.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.bench.environment import database, measured
from tests.bench.wrk import bare_server, load, needed
from tests.catalog.conftest import City, assessing, started
from tests.catalog.harvesting import ask, pages
from tests.catalog.large import fill, large_city

__all__ = ["run"]

DATASETS = int(os.environ.get("DATAPOLIS_BENCH_DATASETS", "10000"))
_TYPES = 100
_FORMS = ("text/turtle", "application/ld+json", "application/rdf+xml")
_WORDS = ("bus", "water school", "par", "noise lig", "D0001Bus000", "tree services", "permit 7", "light bridge")


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure the catalog's rows."""
    needed()
    with ExitStack() as stack:
        found = stack.enter_context(database())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        city = large_city(folder, max(1, DATASETS // _TYPES), _TYPES)
        running = stack.enter_context(started(found, found.engines.opa, folder, city))
        asyncio.run(fill(found, max(1, DATASETS // _TYPES), _TYPES, 1))
        stack.enter_context(assessing(running))
        while running.get("/readiness")["governed"] < DATASETS // _TYPES:
            time.sleep(0.5)
        rows = [_limit(f"page, {form}", _walk(running, form), 0.2) for form in _FORMS]
        rows.append(_limit("page, text/html", _html(running, rounds), 0.2))
        searches = [_timed(running, f"/search?q={w.replace(' ', '+')}", "application/json") for w in _WORDS * rounds]
        rows.append(_limit("search", searches, 0.3))
        return [*rows, *_kept(stack, running, rounds)]


def _limit(what: str, took: list[float], limit_s: float) -> dict[str, Any]:
    """A row: how many times the 95th percentile fits into its limit."""
    p95 = quantiles(took, n=20)[-1]
    note = f"p50 {median(took) * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms of {len(took)}"
    what = f"{limit_s * 1000:.0f} ms to the p95 of a {what}, {DATASETS:,} datasets"
    return measured("catalog", what, [limit_s / p95], 1.0, 2.0, "-", note).result()


def _walk(city: City, form: str) -> list[float]:
    took, began = [], time.perf_counter()
    for _ in pages(f"{city.catalog}/catalog", form):
        took.append(time.perf_counter() - began)
        began = time.perf_counter()
    return took


def _timed(city: City, path: str, accept: str) -> float:
    began = time.perf_counter()
    answer = ask(city.catalog + path, accept)
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.body[:500]!r}")
    return time.perf_counter() - began


def _html(city: City, rounds: int) -> list[float]:
    shown = ["/", "/?start=24", *(f"/domains/domain-{n:04}" for n in range(0, DATASETS // _TYPES, 7))]
    shown += [f"/search?q={word}" for word in ("bus", "water", "")]
    return [_timed(city, path, "text/html") for _ in range(rounds) for path in shown]


def _kept(stack: ExitStack, city: City, rounds: int) -> list[dict[str, Any]]:
    """Pages shown before, to static answers of equal bytes."""
    ways: dict[str, tuple[Callable[[], float], Callable[[], float], int]] = {}
    for form in (*_FORMS, "text/html"):
        url = f"{city.catalog}{'/search' if form == 'text/html' else '/catalog'}"
        size = len(ask(url, form).body)
        static = stack.enter_context(bare_server({"DATAPOLIS_BENCH_BYTES": str(size)}))
        ways[form] = (_loaded(url, {"Accept": form}), _loaded(static, {}), size)
    rates: Mapping[str, list[tuple[float, float]]] = {form: [] for form in ways}
    for number in range(-1, rounds):
        for form, (loaded, bare, _) in ways.items():
            pair = loaded(), bare()
            if number >= 0:
                rates[form].append(pair)
    return [
        measured(
            "catalog",
            f"page shown before, {form} ({ways[form][2]:,} B), to a static answer of equal bytes",
            [page / static for page, static in pairs],
            0.005,
            0.03,
            "-",
            f"{median(p for p, _ in pairs):,.0f}/s to {median(s for _, s in pairs):,.0f}/s",
        ).result()
        for form, pairs in rates.items()
    ]


def _loaded(url: str, headers: Mapping[str, str]) -> Callable[[], float]:
    return lambda: load(url, headers, None)[0]
