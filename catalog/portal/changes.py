"""Changes of verdicts as an Atom feed (RFC 4287)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from catalog.portal.view import DomainView
from catalog.store.rounds import Change

__all__ = ["atom"]

_ATOM = "http://www.w3.org/2005/Atom"
_MOST = 100


def atom(city: str, base_url: str, path: str, views: Sequence[DomainView]) -> bytes:
    """The feed of these domains' changes, the newest first; a verdict that has lapsed since is one of them."""
    feed = ET.Element("feed", xmlns=_ATOM)
    name = views[0].title if len(views) == 1 else "all domains"
    _text(feed, "title", f"{city}: readiness of {name}")
    _text(feed, "id", f"{base_url}{path}")
    ET.SubElement(feed, "link", rel="self", type="application/atom+xml", href=f"{base_url}{path}")
    ET.SubElement(feed, "link", rel="alternate", type="text/html", href=f"{base_url}/")
    author = ET.SubElement(feed, "author")
    _text(author, "name", city)
    entries = sorted(
        [(c.since, v, c) for v in views for c in v.history] + [(v.lapsed_at, v, None) for v in views if v.lapsed_at],
        key=lambda found: found[0],
        reverse=True,
    )
    _text(feed, "updated", entries[0][0].isoformat() if entries else "1970-01-01T00:00:00+00:00")
    for at, view, change in entries[:_MOST]:
        _entry(feed, base_url, at, view, change)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed)


def _entry(feed: ET.Element, base_url: str, at: datetime, view: DomainView, change: Change | None) -> None:
    entry = ET.SubElement(feed, "entry")
    status = change.status if change else view.verdict.status
    version = f"{change.version}" if change else f"{view.version}-lapsed"
    _text(entry, "title", f"{view.title}: {'at governed readiness' if status == 'governed' else 'not yet'}")
    _text(entry, "id", f"{base_url}/readiness/{view.name}#version-{version}")
    _text(entry, "updated", at.isoformat())
    ET.SubElement(entry, "link", rel="alternate", type="text/html", href=f"{base_url}/domains/{view.name}")
    _text(entry, "summary", change.reason if change else view.verdict.reason)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text
