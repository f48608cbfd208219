"""The public page in Chromium, over a real, governed broker: what people see, and that no request leaves the origin."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.catalog.conftest import City


@pytest.fixture(autouse=True)
def _in_good_order(governed: City) -> None:
    """Mobility is governed at the beginning of each test."""
    governed.in_good_order()
    governed.assess()


def _map_ready(page: Page, domain: str) -> None:
    expect(page.locator(f'#map-panel[data-ready="{domain}"]')).to_be_visible(timeout=15_000)


def test_the_page_tells_domains_verdicts_and_reasons(page: Page, governed: City) -> None:
    """Three domains with badge, gates and plain reasons, and where to get access."""
    page.goto(governed.catalog + "/")
    expect(page).to_have_title("Harbour City data trust")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "What Harbour City knows, and whether it is fit to share."
    )
    cards = page.locator("article.card")
    expect(cards.locator("h3")).to_have_text(["Environment", "Mobility", "Service requests"])
    mobility, requests = cards.nth(1), cards.nth(2)
    expect(mobility.locator(".badge")).to_have_text("Governed")
    expect(mobility.locator(".verdict")).to_have_text("All 13 gates pass.")
    expect(mobility.locator(".ring path.on")).to_have_count(13)
    expect(mobility.locator(".counts")).to_contain_text("30")
    expect(requests.locator(".badge")).to_have_text("Not yet")
    expect(requests.locator(".verdict")).to_contain_text("No steward is named who looks after this data.")
    expect(mobility.get_by_role("link", name="Terms and access for Mobility")).to_have_attribute(
        "href", "/trust/terms/mobility"
    )


def test_the_map_shows_what_the_public_sees_with_its_receipt(page: Page, governed: City) -> None:
    """Count, legend, receipt; a click on an entity reads it as the public, and the plate is not there."""
    page.goto(governed.catalog + "/domains/mobility")
    _map_ready(page, "mobility")
    expect(page.locator("#map-count")).to_have_text("30")
    expect(page.locator("#map-note")).to_be_hidden()
    expect(page.locator("#map-legend")).to_have_text("Vehicle: 30")
    expect(page.locator("#map-receipts code")).to_have_text(re.compile(r"^[0-9a-f-]{36}:\S+$"))
    page.get_by_text("The same as a list").click()
    page.get_by_role("button", name="urn:ngsi-ld:Vehicle:4", exact=True).click()
    popup = page.locator(".leaflet-popup-content")
    expect(popup).to_contain_text("Read as the public at")
    expect(popup).to_contain_text("Vehicle type")
    expect(popup).to_contain_text("Receipt")
    expect(popup).not_to_contain_text("secret")
    assert "secret" not in page.content()


def test_by_keyboard_alone(page: Page, governed: City) -> None:
    """Skip link first, then to the map's switch, which tells its state."""
    page.goto(governed.catalog + "/")
    _map_ready(page, "mobility")
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    button = page.get_by_role("button", name="Service requests")
    for _ in range(12):
        page.keyboard.press("Tab")
        if button.evaluate("e => e === document.activeElement"):
            break
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Mobility")).to_have_attribute("aria-pressed", "false")
    _map_ready(page, "requests")
    expect(page.locator("#map-count")).to_have_text("0")
    expect(page.locator("#map-note")).to_have_text("Nothing of this domain is here yet.")


def test_a_verdict_that_changes_shows_and_is_said_without_reloading(page: Page, governed: City) -> None:
    """The badge turns while the page is open, the status line says so, and a reader's place is kept."""
    page.goto(governed.catalog + "/domains/mobility")
    badge = page.locator('[data-live="mobility-badge"]')
    expect(badge).to_have_text("Governed")
    page.evaluate("window.mark = 1")
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    governed.feed("buses", "mobility", long_ago, received=30, mapped=30, rejected=0)
    governed.assess()
    expect(badge).to_have_text("Not yet", timeout=15_000)
    expect(page.locator("#announce")).to_have_text("Mobility: Not yet")
    expect(page.locator('[data-live="mobility-why"]')).to_contain_text("Nothing has arrived for 5 minutes")
    expect(page.locator(".gates li.wait")).to_have_count(1)
    assert page.evaluate("window.mark") == 1
    governed.in_good_order()
    governed.assess()
    expect(badge).to_have_text("Governed", timeout=15_000)


def test_a_page_that_is_not_there_says_so(governed: City, chromium: Browser) -> None:
    """For people, in the portal's own clothes."""
    context = chromium.new_context()
    found = context.new_page()
    answer = found.goto(governed.catalog + "/domains/nowhere")
    assert answer is not None
    assert answer.status == 404
    expect(found.get_by_role("heading", level=1)).to_have_text("No such domain")
    context.close()
