"""Generators of NGSI-LD entities, as documents with short names and in internal form.

`Maker` makes them from a seeded `random.Random`, for tests and benchmarks that need many of them quickly. `entities()`,
`docs()` and their parts are Hypothesis strategies, for tests that want small counter-examples.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from broker.core.entity import LOCATION, Doc, Instance

__all__ = ["CONTEXT", "Maker", "attribute_iris", "docs", "entities", "instances", "instants", "values"]

NS = "https://city.example/def/"
CONTEXT: dict[str, Any] = {
    "ex": NS,
    "Vehicle": "ex:Vehicle",
    "Building": "ex:Building",
    "Sensor": NS + "Sensor",
    "speed": "ex:speed",
    "temperature": NS + "temperature",
    "name": "https://schema.org/name",
    "label": {"@id": "ex:label"},
    "installed": {"@id": "ex:installed", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
    "owner": {"@id": "ex:owner", "@type": "@id"},
    "isIn": {"@id": "ex:isIn", "@type": "@id"},
    "category": {"@id": "ex:category", "@type": "@vocab"},
    "parked": "ex:parked",
    "free": "ex:free",
    "address": "https://schema.org/address",
    "street": "https://schema.org/streetAddress",
    "tags": {"@id": "ex:tags", "@container": "@set"},
    "route": {"@id": "ex:route", "@container": "@list"},
    "raw": {"@id": "ex:raw", "@type": "@json"},
    "title2": {"@id": "ex:title2", "@container": "@language"},
    "heading": "ex:heading",
    "course": "ex:heading",
    "german": {"@id": "ex:german", "@language": "de"},
}
"""A user @context with each kind of term that the walks know, two terms of one IRI among them."""

_NAMES = [
    "speed",
    "temperature",
    "name",
    "label",
    "installed",
    "owner",
    "isIn",
    "category",
    "parked",
    "address",
    "heading",
    "ex:raised",
    "unmapped",
    "https://other.example/ns#wet",
    "description",
    "status",
]
_SUB_NAMES = ["accuracy", "ex:source", "label", "isIn", "heading", "quality"]
_TYPES = ["Vehicle", "Building", "Sensor", "ex:Lamp", "Unmapped", "https://other.example/ns#Tram"]
_KEYS = ["street", "city", "address", "tags", "route", "raw", "title2", "german", "owner", "category", "free", "value"]
_WORDS = ["", "a", "Straße", "free", "Vehicle", "23", "urn:x:1", "x y", "2026-01-01T00:00:00Z", "<b>&'\"", "日本"]


class Maker:
    """Makes entities from a seed: the same seed makes the same entities."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - not for secrets

    def entity(self, attributes: int = 6, *, wild: bool = True) -> dict[str, Any]:
        """Make an entity in normalized form with short names. `wild`: with JSON-LD's rarer value forms too."""
        r = self.random
        types = r.sample(_TYPES, r.choice([1, 1, 1, 2]))
        found: dict[str, Any] = {
            "id": f"urn:ngsi-ld:Thing:{r.randrange(10**6)}",
            "type": types if len(types) > 1 or r.random() < 0.1 else types[0],
        }
        if r.random() < 0.2:
            found["scope"] = r.choice(["/a/b", ["/a", "/b/c"]])
        for name in r.sample(_NAMES, min(attributes, r.randint(0, len(_NAMES)))):
            found[name] = self.attribute(2, wild=wild)
        if r.random() < 0.5:
            found["location"] = {"type": "GeoProperty", "value": self.geometry()}
        return found

    def attribute(self, depth: int, *, wild: bool = True) -> Any:
        """Make an attribute: one instance, or sometimes several."""
        r = self.random
        if r.random() < 0.1:
            several = [self.instance(depth, wild=wild) for _ in range(r.randint(1, 3))]
            for at, one in enumerate(several):
                if at:
                    one["datasetId"] = f"urn:ngsi-ld:Dataset:{at}"
            return several if len(several) > 1 else several[0]
        return self.instance(depth, wild=wild)

    def instance(self, depth: int, *, wild: bool = True) -> Instance:
        """Make an attribute instance of any kind."""
        r = self.random
        kind = r.choice(["p", "p", "p", "p", "r", "g", "l", "v", "j", "lp", "lr"])
        found: Instance
        if kind == "p":
            found = {"type": "Property", "value": self.value(2, wild=wild)}
            if r.random() < 0.3:
                found["unitCode"] = r.choice(["CEL", "KMH"])
        elif kind == "r":
            one = f"urn:ngsi-ld:Thing:{r.randrange(99)}"
            found = {"type": "Relationship", "object": r.choice([one, one, [one, "https://city.example/def/x"]])}
            if r.random() < 0.2:
                found["objectType"] = r.choice(_TYPES)
        elif kind == "g":
            found = {"type": "GeoProperty", "value": self.geometry()}
        elif kind == "l":
            found = {"type": "LanguageProperty", "languageMap": self.languages()}
        elif kind == "v":
            found = {"type": "VocabProperty", "vocab": r.choice(["free", "ex:full", "Unknown", ["free", "parked"]])}
        elif kind == "j":
            found = {"type": "JsonProperty", "json": {"id": 1, "value": None, "a": [[1], {"type": "x"}]}}
        elif kind == "lp":
            found = {"type": "ListProperty", "valueList": [self.value(1, wild=wild) for _ in range(r.randint(1, 3))]}
        else:
            found = {
                "type": "ListRelationship",
                "objectList": [{"object": f"urn:x:{n}"} for n in range(r.randint(1, 3))],
            }
        if r.random() < 0.4:
            found["observedAt"] = f"2026-01-{r.randint(1, 28):02}T00:00:{r.randint(0, 59):02}Z"
        if depth and r.random() < 0.3:
            for name in r.sample(_SUB_NAMES, r.randint(1, 2)):
                found[name] = self.instance(depth - 1, wild=wild)
        return found

    def value(self, depth: int, *, wild: bool = True) -> Any:
        """Make the value of a Property."""
        r = self.random
        pick = r.random()
        if pick < 0.65 or not depth:
            return r.choice([r.randint(-5, 5), r.random(), True, False, r.choice(_WORDS), 0, 1.0, 1e300, -0.0])
        if pick < 0.72:
            return {"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"}
        if pick < 0.82:
            return [self.value(depth - 1, wild=wild) for _ in range(r.randint(1, 3))]
        return self.compound(depth, wild=wild)

    def compound(self, depth: int, *, wild: bool = True) -> dict[str, Any]:
        """Make a compound value."""
        r = self.random
        found: dict[str, Any] = {}
        for key in r.sample(_KEYS, r.randint(1, 3)):
            if key == "title2":
                found[key] = self.languages()
            elif key == "raw":
                found[key] = {"a": [1, {"b": None if wild else 2}]}
            elif key in ("owner", "category"):
                found[key] = r.choice(["urn:x:1", "free", ["Vehicle", "urn:x:2"], 4]) if wild else "urn:x:1"
            else:
                found[key] = self.value(depth - 1, wild=wild)
        if r.random() < 0.15:
            found["type"] = r.choice(["PostalAddress", "Vehicle", ["Sensor", "ex:A"]])
        if wild and r.random() < 0.1:
            found["id"] = r.choice(["urn:x:inner", "ex:inner", "https://city.example/def/speed"])
        return found

    def languages(self) -> dict[str, Any]:
        """Make a language map."""
        r = self.random
        tags = r.sample(["en", "de", "fr-CH", "@none"], r.randint(1, 3))
        return {tag: r.choice(["yes", "ja", ["un", "deux"]]) for tag in tags}

    def geometry(self) -> dict[str, Any]:
        """Make a GeoJSON geometry."""
        r = self.random
        lon, lat = r.uniform(-179, 178), r.uniform(-89, 88)
        match r.randrange(4):
            case 0:
                return {"type": "LineString", "coordinates": [[lon, lat], [lon + 1, lat + 1]]}
            case 1:
                ring = [[lon, lat], [lon + 1, lat], [lon + 1, lat + 1], [lon, lat]]
                return {"type": "Polygon", "coordinates": [ring]}
            case _:
                return {"type": "Point", "coordinates": [lon, lat]}


attribute_iris = st.sampled_from([NS + name for name in ("speed", "temperature", "heading", "label", "isIn")])
"""A few attribute IRIs, so that documents share some."""

instants = st.integers(0, 40).map(lambda n: f"2026-01-01T00:{n:02}:00Z")
"""A few instants, so that observations meet."""

_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""What a text may hold: U+0000 is refused at every door."""

scalars = st.one_of(
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(_CHARACTERS, max_size=8),
).filter(lambda value: value != "urn:ngsi-ld:null")
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([NS + key for key in "abc"]), inner, max_size=3)
    ),
    max_leaves=6,
)
"""A Property's value in internal form."""


@st.composite
def instances(draw: st.DrawFn, depth: int = 1) -> Instance:
    """An attribute instance in internal form, without datasetId."""
    kind = draw(st.sampled_from(["Property", "Property", "Relationship", "GeoProperty", "LanguageProperty"]))
    found: Instance = {"type": kind}
    if kind == "Property":
        found["value"] = draw(values)
    elif kind == "Relationship":
        found["object"] = draw(st.sampled_from(["urn:x:1", "urn:x:2"]))
    elif kind == "GeoProperty":
        lon, lat = draw(st.integers(-180, 180)), draw(st.integers(-90, 90))
        found["value"] = {"type": "Point", "coordinates": [lon, lat]}
    else:
        found["languageMap"] = draw(
            st.dictionaries(st.sampled_from(["en", "de"]), st.text(_CHARACTERS, max_size=4), min_size=1)
        )
    if draw(st.booleans()):
        found["observedAt"] = draw(instants)
    if depth and draw(st.integers(0, 3)) == 0:
        found[draw(attribute_iris)] = draw(instances(depth=0))
    return found


@st.composite
def docs(draw: st.DrawFn, ids: st.SearchStrategy[str] | None = None) -> Doc:
    """An entity in internal form; attributes may have several instances."""
    types = st.lists(st.sampled_from([NS + "Vehicle", NS + "Building"]), min_size=1, max_size=2, unique=True)
    found: Doc = {
        "id": draw(ids if ids is not None else st.sampled_from(["urn:x:a", "urn:x:b", "urn:x:c"])),
        "type": draw(types),
    }
    if draw(st.integers(0, 4)) == 0:
        found["scope"] = draw(st.lists(st.sampled_from(["/a", "/a/b"]), min_size=1, unique=True))
    for name in draw(st.lists(attribute_iris, unique=True, max_size=3)):
        several = draw(st.lists(st.sampled_from(["", "urn:d:1", "urn:d:2"]), min_size=1, max_size=2, unique=True))
        parts = [{**draw(instances()), **({"datasetId": dataset} if dataset else {})} for dataset in several]
        found[name] = parts[0] if several == [""] else parts
    if draw(st.booleans()):
        found[LOCATION] = {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [draw(st.integers(0, 9)), 1]},
        }
    return found


def entities(seed: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """An entity in normalized form with short names (of `CONTEXT` and the core)."""
    return st.integers(0, 2**32).map(lambda n: Maker(n + seed).entity())
