"""The desk in Chromium: a person signs in, applies, approves, tries out, suspends; every page fits and reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.catalog.conftest import City
from tests.catalog.portal.looks import grave, keep

SIZES = {"phone": (360, 740), "wide": (1440, 900)}
RIDEFLOW = "/trust/agreements/urn:datapolis:agreement:rideflow-mobility"
OFFER = "/trust/apply/urn:datapolis:offer:journey-planning"
PATHS = (
    "offers",
    "usage",
    "keys",
    "es/usage",
    "profile",
    "assessments",
    "sign-in",
    "what-if",
    "desk",
    OFFER[7:],
    RIDEFLOW[7:],
)
APPLICANT = ("--party", "urn:party:wayfinder", "--tier", "vendor", "--purpose", "dpv:ServiceProvision")


def signed_in(chromium: Browser, city: City, *who: str) -> BrowserContext:
    """Open a browser of a person who has signed in by the form."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(city.catalog + "/trust/sign-in")
    page.get_by_label("Access token").fill(city.run("policies", "token", *who).strip())
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(city.catalog + "/trust/desk")
    page.close()
    return context


@pytest.fixture(scope="module")
def steward(chromium: Browser, governed: City) -> Iterator[BrowserContext]:
    context = signed_in(chromium, governed, "--client", "steward")
    yield context
    context.close()


@pytest.fixture(scope="module")
def applicant(chromium: Browser, governed: City) -> Iterator[BrowserContext]:
    context = signed_in(chromium, governed, *APPLICANT)
    yield context
    context.close()


def test_from_application_to_suspension_by_forms(
    governed: City, steward: BrowserContext, applicant: BrowserContext
) -> None:
    """Everything that the tutorial does with commands, by hand."""
    page = applicant.new_page()
    page.goto(governed.catalog + "/trust/offers")
    page.get_by_role("link", name="Apply for Live vehicles for services to travellers").click()
    page.get_by_label("Your organisation").fill("Wayfinder Maps")
    page.get_by_label("Purpose").select_option("dpv:ServiceProvision")
    page.get_by_label("What you will do with the data").fill("We show travellers when the next bus comes.")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"/trust/agreements/urn:datapolis:agreement:mobility:"))
    expect(page.locator(".title-row .badge")).to_have_text("In review")
    expect(page.get_by_role("button", name="Withdraw")).to_be_visible()
    assert page.get_by_role("button", name="Approve").count() == 0
    mine = page.url

    desk = steward.new_page()
    desk.goto(governed.catalog + "/trust/desk")
    desk.locator("section", has_text="In review").get_by_role("link", name="Live vehicles", exact=False).first.click()
    expect(desk).to_have_url(re.compile(mine.rpartition(":")[2]))
    expect(desk.locator("blockquote")).to_contain_text("We show travellers when the next bus comes.")
    desk.get_by_role("link", name="What would it change?").click()
    desk.get_by_role("button", name="Try").first.click()
    expect(desk.locator("main h2").first).to_contain_text("askers would notice")
    desk.goto(mine)
    desk.get_by_role("button", name="Approve").click()
    expect(desk.locator(".title-row .badge")).to_have_text("In force")
    expect(desk.locator(".changes").last).to_contain_text("Version 1: approved by steward, Data Trust Stewards")
    desk.get_by_label("Grounds").fill("The source is not named.")
    desk.get_by_role("button", name="Suspend").click()
    expect(desk.locator(".title-row .badge")).to_have_text("Suspended")

    page.goto(mine)
    expect(page.locator(".changes").last).to_contain_text("The source is not named.")
    duty = page.locator("article.row").first
    duty.get_by_label("What was done").fill("It is named on every map now.")
    duty.get_by_role("button", name="Say that it is done").click()
    expect(page.locator("article.row").first).to_contain_text("Met on")
    stranger = page.context.browser
    assert stranger is not None
    other = stranger.new_page()
    other.goto(mine)
    expect(other.locator(".title-row .badge")).to_have_text("Suspended")
    expect(other.locator("main")).not_to_contain_text("The source is not named.")
    assert other.locator("main").get_by_role("button").count() == 0
    other.close()


def test_a_form_of_another_site_is_refused(governed: City, steward: BrowserContext) -> None:
    answer = steward.request.post(
        f"{governed.catalog}{RIDEFLOW}/suspend",
        form={"reason": "because"},
        headers={"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site", "Accept": "text/html"},
        max_redirects=0,
    )
    assert answer.status == 403
    assert "another site" in answer.text()
    [cookie] = [one for one in steward.cookies() if one["name"] == "datapolis_token"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/trust")


@pytest.mark.parametrize("path", PATHS)
def test_it_fits_and_reads(governed: City, steward: BrowserContext, path: str) -> None:
    """No sideways scrolling, labels for every field, and contrast of at least 4.5 to 1, by day and night."""
    page: Page = steward.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for width, height in SIZES.values():
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{governed.catalog}/trust/{path.removeprefix('/')}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            contrast = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
            assert page.evaluate(contrast) == []
            keep(page, f"/trust/{path.removeprefix('/')}", "phone" if width < 500 else "wide", scheme)
    assert grave(page) == []
    unnamed = "[...document.querySelectorAll('input:not([type=hidden]),select,textarea')].filter(e => !e.labels.length)"
    assert page.evaluate(f"{unnamed}.length") == 0
    assert troubles == []
    page.close()
