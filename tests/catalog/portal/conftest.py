"""A page in Chromium that fails its test on whatever a visitor should never meet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response

from tests.catalog.conftest import City


@pytest.fixture
def page(chromium: Browser, governed: City) -> Iterator[Page]:
    """A page of a fresh profile: no request elsewhere, no script error, no blocked or missing resource. Only the page
    that was gone to may itself be a problem."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", locale="en-GB")
    found = context.new_page()
    asked: list[str] = []
    troubles: list[str] = []
    gone_to: set[str] = set()

    def told(message: ConsoleMessage) -> None:
        of_the_page = message.location.get("url") in gone_to and "Failed to load resource" in message.text
        if message.type in ("error", "warning") and not of_the_page:
            troubles.append(message.text)

    def answered(response: Response) -> None:
        if response.request.is_navigation_request():
            gone_to.add(response.url)

    found.on("request", lambda request: asked.append(request.url))
    found.on("response", answered)
    found.on("pageerror", lambda error: troubles.append(str(error)))
    found.on("console", told)
    yield found
    context.close()
    assert f"{governed.catalog}/static/portal.css" in asked
    assert [url for url in asked if not url.startswith(f"{governed.catalog}/")] == []
    assert troubles == []
