"""Every public page in Chromium: paths of a resident, a vendor and a harvesting engineer; axe; no request elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.catalog.cases import of_the_pilot
from tests.catalog.conftest import City
from tests.catalog.portal.looks import SCREENSHOTS, grave

PATHS = {
    "home": "/",
    "search": "/search",
    "domain": "/domains/mobility",
    "register": "/register",
    "system": "/register/bus-arrivals",
    "roadmap": "/roadmap",
    "pilot": "/pilots/request-routing",
    "use": "/use",
    "charter": "/charter",
    "missing": "/nothing",
    "spanish": "/es/domains/requests",
}
LOOKS = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (360, 740, "light")}


@pytest.fixture(scope="module", autouse=True)
def _judged(governed: City) -> None:
    """Domains assessed, the pilot measured and the roadmap judged, and what was read so far sealed into the log."""
    found = of_the_pilot()
    for start in range(0, len(found), 1000):
        governed.put(found[start : start + 1000])
    governed.run("catalog", "assess", "--once", expect=None)
    governed.seal()


def _ask(url: str, **headers: str) -> tuple[int, dict[str, str], str]:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own process
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read().decode()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


@pytest.mark.parametrize("name", sorted(PATHS))
def test_every_page_is_accessible_fits_and_reads(chromium: Browser, page: Page, governed: City, name: str) -> None:
    """Axe finds nothing serious or critical by night and on a phone; contrast and width hold everywhere."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    contrast = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
    for look, (width, height, scheme) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(governed.catalog + PATHS[name])
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if page.locator("#map-panel").count():
            expect(page.locator("#map-panel[data-ready]")).to_be_visible(timeout=15_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(contrast) == []
        if look != "light":  # the colours of light are on the phone's page too
            assert grave(page) == []
        page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)


def test_a_residents_path_by_keyboard_alone(page: Page, governed: City) -> None:
    """Search for the buses, see whether they are fit to share and why, find the algorithm, and where to appeal."""
    page.goto(governed.catalog + "/")
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search the datasets")).to_be_focused()
    page.keyboard.type("vehicle")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 dataset", exact=True)).to_be_visible(timeout=20_000)
    _reach(page, "Mobility: Vehicle")
    expect(page.get_by_role("heading", level=1)).to_have_text("Mobility")
    expect(page.locator(".gates.full li")).to_have_count(13)
    fresh = page.locator(".gates.full li", has_text="Timeliness")
    expect(fresh).to_contain_text("A position older than five minutes misleads people at the stop.")
    expect(fresh.get_by_role("link")).to_have_attribute("href", re.compile("QualityMeasurement"))
    _reach(page, "Algorithms")
    _reach(page, "Bus arrival prediction")
    expect(page.locator(".changes").first).to_contain_text("No district's mean error")
    appeal = page.get_by_role("link", name="Appeal against an outcome")
    expect(appeal).to_have_attribute("href", "mailto:mobility@harbour.example")


def _reach(page: Page, name: str) -> None:
    """Tab to a link and follow it; what has the focus must show it."""
    link = page.get_by_role("link", name=name, exact=True).first
    expect(link).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if link.evaluate("e => e === document.activeElement"):
            break
    expect(link).to_be_focused()
    assert link.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")


def test_a_vendors_path_and_the_snippets_work_as_pasted(page: Page, governed: City) -> None:
    """Narrow the search down, look at rows, run both snippets, and come to the offers."""
    page.goto(governed.catalog + "/search")
    page.locator(".facets").get_by_role("link", name="Transport").click()
    expect(page.locator(".hits .row")).to_have_count(1)
    expect(page.locator(".facets [aria-current]")).to_contain_text("Transport")
    page.locator(".hits").get_by_role("link").click()
    rows = page.get_by_role("region", name="Sample rows of Vehicle")
    expect(rows.locator("tbody tr")).to_have_count(5)
    assert "secret" not in page.content()
    shell, python = (page.locator(f'pre[data-snippet="{kind}"]').first.inner_text() for kind in ("curl", "python"))
    answer = json.loads(_run("bash", "-c", shell))
    assert len(answer) == 2
    assert all(e["id"].startswith("urn:ngsi-ld:Vehicle:") for e in answer)
    assert _run(sys.executable, "-c", python).split() == [e["id"] for e in answer]
    page.get_by_role("link", name="Offers and application").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Offers")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def test_sample_rows_come_without_javascript(chromium: Browser, governed: City) -> None:
    """A page that has not got them yet offers a link to one that waits for them."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{governed.catalog}/domains/mobility?dataset=Vehicle&rows=now#Vehicle")
    rows = page.locator("#Vehicle .sample tbody tr")
    expect(rows).to_have_count(5)
    expect(rows.first.locator("th")).to_contain_text("urn:ngsi-ld:Vehicle:")
    expect(page.locator("#Vehicle h4 small")).to_have_text(re.compile(r"^read at \d\d:\d\d:\d\d UTC$"))
    assert page.locator("#Vehicle [data-waiting]").count() == 0
    context.close()


def test_a_harvesting_engineers_path(page: Page, governed: City) -> None:
    """From the footer to every feed; the same addresses give JSON to programs and pages to people."""
    page.goto(governed.catalog + "/")
    foot = page.locator("footer.foot")
    kinds = {
        "Turtle": "text/turtle; charset=utf-8",
        "JSON-LD": "application/ld+json",
        "RDF/XML": "application/rdf+xml",
        "CKAN action API": "application/json",
        "SPARQL: all titles": "application/sparql-results+json",
        "Changes of verdicts (Atom)": "application/atom+xml",
        "Sitemap": "application/xml",
    }
    for name, kind in kinds.items():
        address = foot.get_by_role("link", name=name, exact=True).get_attribute("href")
        status, headers, _ = _ask(f"{governed.catalog}{address}")
        assert (name, status, headers["content-type"]) == (name, 200, kind)
    for path in ("/search", "/register", "/register/bus-arrivals", "/roadmap", "/pilots/request-routing", "/use"):
        status, headers, body = _ask(governed.catalog + path)
        assert (path, status, headers["content-type"]) == (path, 200, "application/json")
        assert json.loads(body)
        status, headers, body = _ask(governed.catalog + path, Accept="text/html")
        assert (path, status, headers["content-type"]) == (path, 200, "text/html; charset=utf-8")
        assert "Accept" in headers["vary"]
        assert body.startswith("<!doctype html>")


def test_languages_by_path_by_preference_and_by_switch(page: Page, governed: City) -> None:
    """`/es` and Accept-Language give Spanish, with its `lang`; the switch keeps the page and what was searched."""
    _, headers, body = _ask(governed.catalog + "/charter", Accept="text/html", **{"Accept-Language": "es-ES,es;q=0.9"})
    assert headers["content-language"] == "es"
    assert '<html lang="es">' in body
    assert "<h1>Carta de datos</h1>" in body
    page.goto(governed.catalog + "/search?q=vehicle")
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("link", name="Español").click()
    expect(page).to_have_url(governed.catalog + "/es/search?q=vehicle")
    assert page.locator("html").get_attribute("lang") == "es"
    expect(page.get_by_role("heading", name="1 conjunto de datos")).to_be_visible()
    page.get_by_role("link", name="Algoritmos").click()
    expect(page).to_have_url(governed.catalog + "/es/register")
    page.goto(governed.catalog + "/es/domains/mobility")
    expect(page.locator(".gates.full .gate-reason > span[lang=en]")).to_have_count(0)
    status, _, body = _ask(governed.catalog + "/es/nothing", Accept="text/html")
    assert status == 404
    assert '<html lang="es">' in body


def test_the_choice_of_colours_stays(page: Page, governed: City) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(governed.catalog + "/charter")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Colours:")
    button.click()
    expect(button).to_contain_text("Light")
    button.click()
    expect(button).to_contain_text("Dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(governed.catalog + "/use")
    assert page.evaluate(ground) == dark


def test_problems_are_pages_for_people_and_problem_json_for_programs(governed: City, chromium: Browser) -> None:
    status, headers, body = _ask(governed.catalog + "/register/nobody", Accept="text/html")
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "nobody" in body
    status, headers, body = _ask(governed.catalog + "/register/nobody")
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    status, _, body = _ask(governed.catalog + "/search?limit=0", Accept="text/html")
    assert status == 400
    assert "query.limit" in body
