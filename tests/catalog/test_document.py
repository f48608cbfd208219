"""Catalogs from files, as portals publish them: read in every form, and checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from catalog.check import check
from catalog.document import DocumentError, read_document
from catalog.settings import Settings

README = Path(__file__).parents[2] / "catalog" / "README.md"


@pytest.mark.parametrize(
    ("name", "triples"),
    [
        ("data-norge/harvest_response_3.ttl", 139),
        ("ckan/catalog_pod.jsonld", 61),
        ("govdata-de/catalog-endpoint.rdf", 391),
        ("udata/catalog.xml", 163),
    ],
)
async def test_real_catalogs_are_read_and_found_wanting(data: Path | None, name: str, triples: int) -> None:
    """Turtle, JSON-LD and RDF/XML; each of these real catalogs breaks the official shapes somewhere."""
    if data is None:
        pytest.skip("no recorded data: DATAPOLIS_DATA names no folder")
    report = check(await read_document(str(data / "semantics" / "catalogs" / name), (), 5.0))
    assert report.triples == triples
    assert report.violations


async def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """No such file, no known form, no valid document, a context that would have to be fetched."""
    (tmp_path / "bad.ttl").write_text("<a> <b>")
    (tmp_path / "far.jsonld").write_text('{"@context": "https://far.example/context.jsonld", "@id": "x:y"}')
    for name, said in (
        ("none.ttl", "No such file"),
        ("catalog.pdf", "the name must end with one of .ttl"),
        ("bad.ttl", "cannot be read as turtle"),
        ("far.jsonld", "its @context https://far.example/context.jsonld is not built in"),
    ):
        with pytest.raises(DocumentError, match=re.escape(said)):
            await read_document(str(tmp_path / name), (), 5.0)


async def test_private_addresses_are_not_fetched() -> None:
    """Unless DATAPOLIS_EGRESS_ALLOW admits them."""
    with pytest.raises(DocumentError, match="not a public address"):
        await read_document("http://127.0.0.1:9/catalog", (), 5.0)


def test_the_readme_lists_every_setting() -> None:
    """And no other, but for those of the trust, which it names as such."""
    listed = set(re.findall(r"`DATAPOLIS_([A-Z_]+)`", README.read_text(encoding="utf-8")))
    assert listed == {name.upper() for name in Settings.model_fields}
