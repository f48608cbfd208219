"""What people see when something is missing, has failed or is away: the portal's own page, in their language."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg
import pytest
from playwright.sync_api import Page, expect

from docker.local.stack import ROOT
from tests.catalog.conftest import City
from tests.catalog.harvesting import ask

SCREENSHOTS = ROOT / ".local" / "screenshots"


def _as_owner(city: City, statement: str) -> None:
    async def run() -> None:
        conn = await asyncpg.connect(city.database.dsn("owner"))
        try:
            await conn.execute(statement)
        finally:
            await conn.close(timeout=5)

    with ThreadPoolExecutor(1) as own:  # a browser test already has a loop in this thread
        own.submit(lambda: asyncio.run(run())).result(30)


@contextmanager
def _away(city: City) -> Iterator[None]:
    """The catalog's tables cannot be read."""
    _as_owner(city, "ALTER SCHEMA catalog RENAME TO catalog_away")
    try:
        yield
    finally:
        _as_owner(city, "ALTER SCHEMA catalog_away RENAME TO catalog")


@contextmanager
def _broken(city: City) -> Iterator[None]:
    """What is stored is not what the catalog stores."""
    broken = "UPDATE catalog.harvests SET facts = facts - 'domain' || jsonb_build_object('was', facts->'domain')"
    _as_owner(city, broken)
    try:
        yield
    finally:
        mended = "UPDATE catalog.harvests SET facts = facts - 'was' || jsonb_build_object('domain', facts->'was')"
        _as_owner(city, mended)


CASES = {
    "404": (404, None, "/domains/nowhere", "No such domain", "No existe ese ámbito"),
    "500": (500, _broken, "/search?q=bus", "Internal error", "Error interno"),
    "503": (503, _away, "/search?q=bus", "Not available just now", "No disponible en este momento"),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_problem_is_a_page_of_the_portal(page: Page, governed: City, case: str) -> None:
    """With its frame, its headers and both languages; programs get the same as problem+json; after it all is well."""
    status, trouble, path, english, spanish = CASES[case]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    governed.assess()
    with trouble(governed) if trouble else _nothing():
        page.wait_for_timeout(600)  # the catalog's readers share one reading for half a second
        for prefix, said in (("", english), ("/es", spanish)):
            answer = page.goto(governed.catalog + prefix + path)
            assert answer is not None
            assert answer.status == status
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            expect(page.get_by_role("heading", level=1)).to_have_text(said)
            expect(page.locator("html")).to_have_attribute("lang", prefix[1:] or "en")
            expect(page.locator("footer.foot")).to_be_visible()
            expect(page.get_by_role("link", name="Español")).to_have_attribute("href", f"/es{path}")
            page.screenshot(path=SCREENSHOTS / f"problem-{case}{prefix.replace('/', '-')}.png", full_page=True)
        found = ask(governed.catalog + (path if case != "404" else "/readiness/nowhere"))
        assert (found.status, found.headers["content-type"]) == (status, "application/problem+json")
        assert found.headers.get("retry-after") == ("5" if case == "503" else None)
    page.wait_for_timeout(600)
    assert ask(f"{governed.catalog}/search?q=bus").status == 200


@contextmanager
def _nothing() -> Iterator[None]:
    yield
