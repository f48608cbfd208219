"""What a page is looked at for: axe's findings, and the screenshots that are kept for people to look at."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from docker.local.stack import ROOT

__all__ = ["SCREENSHOTS", "grave", "keep"]

SCREENSHOTS = ROOT / ".local" / "screenshots"


def grave(page: Page) -> list[tuple[str, str]]:
    """Axe's findings that are serious or critical: the rule, and the first element that breaks it."""
    found = Axe().run(page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]


def keep(page: Page, path: str, size: str, scheme: str) -> None:
    """Keep a screenshot of a page on a phone, or wide by day and night; its name is made of the page's path."""
    if size == "phone" and scheme == "dark":
        return
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = "-".join(part.rpartition(":")[2] for part in path.strip("/").split("/"))
    page.screenshot(path=SCREENSHOTS / f"{name}-{'phone' if size == 'phone' else scheme}.png", full_page=True)
