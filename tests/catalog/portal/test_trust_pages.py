"""Terms and agreements in Chromium, in the portal's own clothes: readable, narrow and wide, light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.catalog.conftest import City
from tests.catalog.portal.looks import grave, keep

SIZES = {"phone": (360, 740), "wide": (1440, 900)}
UNI_AIR = "/trust/agreements/urn:datapolis:agreement:uni-air-mobility"
PATHS = (
    "/trust/terms",
    "/trust/terms/mobility",
    "/trust/agreements",
    UNI_AIR,
    "/trust/domains",
    "/trust/es/terms/mobility",
)


def test_terms_say_who_may_do_what(page: Page, governed: City) -> None:
    """With whom, may what, which data, for which purposes, until, status; and how to apply."""
    answer = page.goto(governed.catalog + "/trust/terms/mobility")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    expect(page).to_have_title("Terms of use, Mobility: Harbour City data trust")
    card = page.locator("article.deal").filter(has_text="RideFlow (journey planner)")
    expect(card.get_by_role("heading")).to_have_text("Live vehicles for journey planning")
    expect(card.locator(".badge")).to_have_text("In force")
    may = card.locator(".clause").first
    expect(may.locator("dt")).to_have_text(["May", "Data", "Purpose", "In return"])
    expect(may.locator("dd:not(:has(ul))")).to_have_text(
        [
            "read what is current, read its history and be notified of changes",
            "Vehicle: everything but fleet vehicle id",
            "service provision",
        ]
    )
    expect(may.locator("li")).to_have_text(
        [
            "Name the source: “Vehicle positions: Harbour City, Department of Mobility”.",
            "At most 1,000,000 requests in every day.",
        ]
    )
    expect(card.locator("footer")).to_contain_text("Until 1 January 2028")
    expect(page.locator("article.deal").first.locator(".with")).to_have_text("Everybody")
    expect(page.get_by_role("link", name="mobility@harbour.example")).to_have_attribute(
        "href", "mailto:mobility@harbour.example"
    )
    assert "w3id.org/dpv#" not in page.content()


def test_by_keyboard_from_the_list_to_one_agreement(page: Page, governed: City) -> None:
    """Skip link, choice of domain, an agreement in full."""
    page.goto(governed.catalog + "/trust/agreements")
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    choice = page.get_by_label("Domain", exact=True).get_by_role("link", name="Mobility")
    choice.focus()
    page.keyboard.press("Enter")
    expect(choice).to_have_attribute("aria-current", "page")
    expect(page.locator("main h2")).to_have_text(["Mobility"])
    full = page.get_by_role("link", name="In full for University Air Quality Group: Traffic in the centre for research")
    full.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Traffic in the centre for research")
    expect(page.locator(".clause")).to_contain_text('Only where vehicle type is "bus".')
    expect(page.locator("pre")).to_contain_text(UNI_AIR)


def test_the_language_is_kept_from_the_portal_to_the_trust_and_back(page: Page, governed: City) -> None:
    """The portal's second language, on every page of a walk, until a reader switches."""
    page.goto(governed.catalog + "/es/domains/mobility")
    page.get_by_role("link", name="Condiciones de uso").first.click()
    expect(page).to_have_url(governed.catalog + "/trust/es/terms/mobility")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.get_by_role("heading", level=1)).to_have_text("Condiciones de uso: Mobility")
    card = page.locator("article.deal").filter(has_text="RideFlow (journey planner)")
    expect(card.locator(".badge")).to_have_text("En vigor")
    expect(card.locator(".clause").first.locator("li").last).to_have_text(
        "Como máximo 1.000.000 peticiones por cada día."
    )
    expect(card.locator("footer")).to_contain_text("Hasta 1 de enero de 2028")
    card.get_by_role("link", name="Texto completo").click()
    expect(page).to_have_url(re.compile(r"/trust/es/agreements/"))
    expect(page.get_by_role("heading", level=2).first).to_have_text("Lo acordado")
    page.get_by_role("link", name="English").click()
    expect(page).to_have_url(re.compile(r"/trust/en/agreements/"))
    expect(page.get_by_role("heading", level=2).first).to_have_text("What is agreed")
    page.get_by_role("link", name="Domains", exact=True).click()
    expect(page).to_have_url(governed.catalog + "/en/#domains")


def test_a_page_that_is_not_there_says_so_in_the_readers_language(governed: City, chromium: Browser) -> None:
    context = chromium.new_context(locale="es-ES")
    page = context.new_page()
    answer = page.goto(governed.catalog + "/trust/terms/nothing")
    assert answer is not None
    assert (answer.status, answer.headers["content-language"]) == (404, "es")
    expect(page.locator(".lead")).to_have_text("No hay ningún ámbito «nothing»; los ámbitos están en /trust/domains.")
    context.close()


@pytest.mark.parametrize("size", sorted(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_it_fits_and_reads(page: Page, governed: City, size: str, scheme: str, path: str) -> None:
    """No sideways scrolling, and text that stands out from its ground by at least 4.5 to 1 (WCAG AA)."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(governed.catalog + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Public Sans"')
    assert page.evaluate(Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")) == []
    if (size, scheme) == ("phone", "dark"):
        assert grave(page) == []
    keep(page, path, size, scheme)
