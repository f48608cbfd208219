"""Names, boxes and datasets from one round."""

from __future__ import annotations

import pytest

from catalog.dataset import Extent, datasets, local_name, words
from tests.catalog.samples import AGENT, NOW, VEHICLE, domain, harvest


@pytest.mark.parametrize(
    ("iri", "name"),
    [
        ("https://x.example/ns#Vehicle", "Vehicle"),
        ("https://x.example/Vehicle", "Vehicle"),
        ("https://x.example/Vehicle/", "Vehicle"),
        ("urn:party:mobility-dept", "mobility-dept"),
        ("Vehicle", "Vehicle"),
    ],
)
def test_local_names(iri: str, name: str) -> None:
    """The last part, whatever separates it."""
    assert local_name(iri) == name


@pytest.mark.parametrize(
    ("name", "text"),
    [("AirQualityObserved", "Air quality observed"), ("Vehicle", "Vehicle"), ("NOxLevel", "NOx level"), ("", "")],
)
def test_words(name: str, text: str) -> None:
    """Camel case as people write it; abbreviations stay."""
    assert words(name) == text


def test_extent_hides_the_single_point() -> None:
    """A box is never smaller than a tenth of a degree, and never leaves the earth."""
    box = Extent.of([(-122.3321, 47.6062)])
    assert box == Extent(-122.4, 47.6, -122.3, 47.7)
    assert Extent.of([]) is None
    assert Extent.of([(180.0, 90.0), (-180.0, -90.0)]) == Extent(-180.0, -90.0, 180.0, 90.0)


def test_one_dataset_per_declared_type() -> None:
    """In declared order, also where nothing has arrived; counts, publicity and dates from the round."""
    found = datasets(harvest(counts=harvest().counts[:1]), AGENT, NOW)
    assert [(d.slug, d.count, d.public) for d in found] == [("Vehicle", 627, True), ("WeatherObserved", 0, False)]
    assert found[0].keywords == ("mobility", "vehicle", "location", "speed")
    assert found[0].modified == NOW
    assert [d.feeds for d in found] == [("buses",), ("weather",)]


def test_types_with_one_name_get_paths_of_their_own() -> None:
    """Two types called alike do not share a URL; the city's own short name wins over the IRI."""
    types = ("https://a.example/Thing", "https://b.example/Thing", VEHICLE)
    named = domain(types=types, terms=((VEHICLE, "Bus"),))
    assert [d.slug for d in datasets(harvest(domain=named), AGENT, NOW)] == ["Thing", "Thing-2", "Bus"]
