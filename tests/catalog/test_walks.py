"""Harvesters that walk while datasets are added, changed and removed: what stands is met once, nothing twice.

The changes are made where a city makes them, in its folder; they come into force and are assessed between two pages.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ckanapi
import pytest
import yaml

from tests.catalog.conftest import City
from tests.catalog.harvesting import DATASETS, pages

EXTRA = [f"Sensor{n:02}" for n in range(24)]
"""Types that come and go; they sort among one another, and before and after what a walker has seen."""

_PAGE = 4


class _Domain:
    """The environment's declaration, which the test rewrites."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._path = Path(city.environment["DATAPOLIS_CITY"]) / "domains" / "environment.yaml"
        self._text = self._path.read_text()
        self._base: list[str] = yaml.safe_load(self._text)["types"]
        self.types = EXTRA[::2]
        self._changes = 0
        self._came = [t for t in EXTRA if t not in self.types]
        self.went: set[str] = set()

    def put(self) -> None:
        """Bring the declaration into force and have it assessed."""
        declared: dict[str, Any] = yaml.safe_load(self._text)
        declared["types"] = [*self._base, *self.types]
        declared["description"] = {"en": f"What the city measures outside, as described the {self._changes}. time."}
        self._path.write_text(yaml.safe_dump(declared))
        self._city.apply_domains()
        self._city.assess()

    def change(self) -> None:
        """One dataset goes, one comes, and every other one of the domain is described anew."""
        gone = self.types[(5 * self._changes) % len(self.types)]
        came = self._came[(7 * self._changes) % len(self._came)]
        self.types = [t for t in self.types if t != gone]
        self.types.insert(self._changes % len(self.types), came)
        self._came.remove(came)
        self.went.add(gone)
        self._changes += 1
        self.put()

    def undo(self) -> None:
        """As it was."""
        self._path.write_text(self._text)
        self._city.apply_domains()
        self._city.assess()


@pytest.fixture
def domain(governed: City) -> Iterator[_Domain]:
    folder = Path(governed.environment["DATAPOLIS_CITY"])
    text = (folder / "context.jsonld").read_text()
    context = json.loads(text)
    context["@context"] |= {name: f"https://walks.example/{name}" for name in EXTRA}
    (folder / "context.jsonld").write_text(json.dumps(context))
    found = _Domain(governed)
    found.put()
    yield found
    found.undo()
    (folder / "context.jsonld").write_text(text)


def _hydra(city: City) -> Iterator[list[str]]:
    for answer in pages(f"{city.catalog}/catalog?limit={_PAGE}", "text/turtle"):
        yield [
            uri.partition("/datasets/")[2].replace("/", "--").lower() for uri in DATASETS["text/turtle"](answer.body)
        ]


def _ckan(city: City) -> Iterator[list[str]]:
    with ckanapi.RemoteCKAN(city.catalog) as ckan:
        start, count = 0, 1
        while start < count:
            page = ckan.action.package_search(rows=_PAGE, start=start, sort="id asc")
            count, start = page["count"], start + _PAGE
            yield [p["name"] for p in page["results"]]


@pytest.mark.parametrize("walk", [_hydra, _ckan], ids=["hydra", "ckan"])
def test_what_stands_is_met_once_whatever_comes_and_goes(governed: City, domain: _Domain, walk: Any) -> None:
    """A change between any two pages; what was removed may be met or not, and what was added, once at most."""
    before = set(_now(governed))
    assert len(before) == 5 + len(EXTRA) // 2
    met: list[str] = []
    for number, page in enumerate(walk(governed)):
        met += page
        if number < 5:
            domain.change()
    after = set(_now(governed))
    assert len(before - after) >= 3
    assert len(after - before) >= 3
    assert [name for name, times in Counter(met).items() if times > 1] == []
    assert before & after <= set(met)
    assert set(met) <= before | after | {f"environment--{name.lower()}" for name in domain.went}
    titles = {p["title"] for p in _packages(governed)}
    assert {f"environment--{t.lower()}" for t in domain.types} <= after
    assert len(titles) == len(after)


def _packages(city: City) -> list[dict[str, Any]]:
    with ckanapi.RemoteCKAN(city.catalog) as ckan:
        found: list[dict[str, Any]] = ckan.action.current_package_list_with_resources(limit=1000)
        return found


def _now(city: City) -> list[str]:
    return [p["name"] for p in _packages(city)]
