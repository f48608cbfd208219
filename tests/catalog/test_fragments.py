"""Pages put together from kept pieces are byte for byte what the whole graph gives, and follow every change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rdflib.compare import isomorphic

from catalog import dcat
from catalog.dataset import Catalogue, Extent
from catalog.document import parse
from catalog.fragments import Fragments
from catalog.serialize import FORMS, write
from tests.catalog.samples import NOW, catalogue, domain, harvest

OTHER = harvest(domain=domain(name="parks", title="Parks", theme="ENVI", contact="https://parks.example/ask"))
BOTH = catalogue(harvest(), OTHER)
PAGE = dcat.Page(BOTH.datasets[:3], 4, "http://c/catalog", "http://c/catalog?limit=3", "http://c/catalog?after=x")


@pytest.mark.parametrize("media", sorted(FORMS))
def test_a_page_of_pieces_is_the_page(media: str) -> None:
    """At the first time and from what was kept; a page and the whole."""
    fragments = Fragments()
    for _ in range(2):
        assert fragments.write(BOTH, PAGE.datasets, media, PAGE) == write(dcat.page_graph(BOTH, PAGE), media)
        assert fragments.write(BOTH, BOTH.datasets, media, None) == write(dcat.catalog_graph(BOTH), media)


def test_every_form_says_the_same() -> None:
    """Turtle, JSON-LD and RDF/XML are read back as one graph."""
    fragments = Fragments()
    read = [
        parse(fragments.write(BOTH, BOTH.datasets, media, None), form, "http://city.example/catalog")
        for media, form in (
            ("text/turtle", "turtle"),
            ("application/ld+json", "json-ld"),
            ("application/rdf+xml", "xml"),
        )
    ]
    assert len(read[0]) > 300
    assert isomorphic(read[0], read[1])
    assert isomorphic(read[0], read[2])


def _changed(*changes: object) -> Catalogue:
    first, *others = BOTH.datasets
    return replace(BOTH, datasets=(replace(first, **dict(changes)), *others))  # type: ignore[arg-type]  # fields by name


CHANGES: dict[str, Catalogue] = {
    "title": _changed(("title", "Mobility: Buses and trams")),
    "modified": _changed(("modified", NOW + timedelta(hours=1))),
    "quality": _changed(("quality", ())),
    "licence": _changed(("licence", None)),
    "no longer public": _changed(("public", False)),
    "moved": replace(BOTH, base_url="http://elsewhere.example"),
    "the area of the whole": replace(BOTH, extent=Extent(-123.0, 47.0, -122.0, 48.0)),
    "the catalog's own date": replace(BOTH, modified=NOW + timedelta(hours=1)),
}


@pytest.mark.parametrize("case", sorted(CHANGES))
def test_what_was_kept_follows_a_change(case: str) -> None:
    """A changed dataset, or a catalog that changed around it, is written anew."""
    fragments, after = Fragments(), CHANGES[case]
    before = fragments.write(BOTH, BOTH.datasets, "text/turtle", None)
    found = fragments.write(after, after.datasets, "text/turtle", None)
    assert found == write(dcat.catalog_graph(after), "text/turtle")
    assert found != before


def test_what_is_kept_is_bounded() -> None:
    """The oldest goes first; the page is the same."""
    whole = Fragments()
    whole.write(BOTH, BOTH.datasets, "text/turtle", None)
    small = Fragments(most_bytes=whole.size // 2)
    for _ in range(3):
        assert small.write(BOTH, BOTH.datasets, "text/turtle", None) == write(dcat.catalog_graph(BOTH), "text/turtle")
        assert 0 < small.size <= whole.size // 2
