"""Generators of conditions, of entities that they tell apart, and of accesses.

All draw from small pools, so that conditions are often met and often not. `QueryMaker` works from any `random.Random`:
a seeded one for bulk, or Hypothesis' (`st.randoms`) where small counter-examples are wanted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Literal

from hypothesis import strategies as st

from broker.core.access import Access, AttrSet, Grant, Prohibition
from broker.core.entity import CORE, LOCATION, Doc, Instance
from broker.core.match import Meta
from broker.core.query import (
    And,
    AnyAttr,
    Boolean,
    Compare,
    DateTimeLiteral,
    Exists,
    GeoRel,
    GeoRelation,
    IdIn,
    IdPattern,
    Linked,
    ListOf,
    Literal_,
    Matches,
    Node,
    Not,
    Number,
    Operand,
    Operator,
    Or,
    Path,
    Range,
    ScopeIs,
    Text,
    TypeIs,
    Uri,
)

__all__ = ["ATTRS", "NS", "QueryMaker", "linked", "makers"]

NS = "https://city.example/def/"
ATTRS = [NS + name for name in "abcde"]
_SUBS = [NS + name for name in ("a", "s", "t")]
_KEYS = [NS + name for name in ("k", "l")]
_TYPES = [NS + name for name in ("Car", "Bus", "Tram")]
_MEMBERS = [CORE + name for name in ("observedAt", "unitCode", "datasetId", "createdAt", "modifiedAt")]
_WORDS = ["", "a", "ab", "b", "Ä", "日本", "\U0001f600", 'q"\\', "urn:x:1", "urn:x:2", "10", "true", "a\nb"]
_NUMBERS = [-2, 0, 1, 1.0, 1.5, 2, -0.0, 0.1, 1e300, 2**53, 2**53 + 1, float(2**53), 2**63 + 92, float(2**63), 1e23]
_Kind = Literal["dateTime", "date", "time"]
_KINDS: list[_Kind] = ["dateTime", "dateTime", "date", "time"]
_ORDERS: list[Operator] = [">", ">=", "<", "<="]
_EQUALITIES: list[Operator] = ["==", "!="]
_RELATIONS: list[GeoRelation] = ["within", "contains", "intersects", "equals", "disjoint", "overlaps"]
_TIMES: dict[_Kind, list[str]] = {
    "dateTime": [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.0Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00.500000Z",
        "2026-01-01T00:00:01Z",
        "2025-12-31T23:59:59.999999Z",
    ],
    "date": ["2026-01-01", "2025-12-31"],
    "time": ["00:00:00Z", "00:00:00.50Z", "23:59:59Z"],
}
_NO_TIMES = ["2026-13-01T00:00:00Z", "2026-01-01T00:00:00+01:00"]
_ALL_TIMES = [text for texts in _TIMES.values() for text in texts] + _NO_TIMES
_SCOPES = ["/a", "/a/b", "/a/b/c", "/b", "a", "/ab/c"]
_SCOPE_QUERIES = ["/#", "/a", "/a/#", "/+", "/+/b", "/a/+/c", "/a/b/#", "/+/+/#", "/c"]
_CHARS = ["a", "b", "Ä", ".", "[ab]", "[^a]", "[[:alnum:]]", r"\d", r"\W", r"\.", "1", "[x-z日]", "(a|b)", "(?:ab|)"]
_REPEATS = ["", "", "", "*", "+", "?", "{2}", "{0,1}", "{1,}", "+?"]


_TARGETS = ["urn:x:a:0", "urn:x:b:1", "urn:x:a:2", "urn:x:b:3"]
"""Entities that the first of the made ones are, so that Relationships lead somewhere."""


def linked(docs: Sequence[Doc], metas: Sequence[Meta]) -> list[Meta]:
    """Let the metas find each other's documents, so that conditions on linked entities can be met in memory."""
    known: dict[str, tuple[Doc, Meta]] = {}
    found = [replace(meta, linked=known.get) for meta in metas]
    known.update((doc["id"], (doc, meta)) for doc, meta in zip(docs, found, strict=True))
    return found


class QueryMaker:
    """Makes random documents, conditions and accesses. Conditions of accesses have no links, as those of policies."""

    def __init__(self, random: Random) -> None:
        self.r = random

    # ---- entities

    def doc(self, number: int) -> Doc:
        """Make an entity in internal form."""
        r = self.r
        found: Doc = {"id": f"urn:x:{'ab'[number % 2]}:{number}", "type": r.sample(_TYPES, r.choice([1, 1, 2]))}
        if r.random() < 0.4:
            found["scope"] = r.sample(_SCOPES, r.choice([1, 2]))
        for attr in ATTRS:
            if r.random() < 0.6:
                found[attr] = self._attribute()
        if r.random() < 0.7:
            found[LOCATION] = self._located(self.geometry())
        if r.random() < 0.3:
            found[NS + "area"] = self._located(self.geometry())
        return found

    def meta(self, doc: Doc) -> Meta:
        """Make the system times of a document."""
        attrs: dict[str, dict[str, list[str | None]]] = {}
        for name, value in doc.items():
            if name not in ("id", "type", "scope"):
                parts = value if isinstance(value, list) else [value]
                attrs[name] = {one.get("datasetId", ""): [None, self._system(), self._system(), None] for one in parts}
        return Meta(self._system(), self._system(), attrs)

    def _system(self) -> str:
        return f"2026-01-01T00:00:0{self.r.randrange(3)}.{self.r.choice(['000000', '500000'])}Z"

    def _located(self, geometry: dict[str, Any]) -> Any:
        one = {"type": "GeoProperty", "value": geometry}
        pick = self.r.random()
        if pick < 0.7:
            return one
        other = {"type": "GeoProperty", "value": self.geometry(), "datasetId": "urn:d:1"}
        third = {"type": "GeoProperty", "value": self.geometry(), "datasetId": "urn:d:2"}
        return self.r.choice([[other], [one, other], [other, one], [other, third], [other, one, third]])

    def _attribute(self) -> Any:
        if self.r.random() < 0.75:
            return self._instance(1)
        parts = [self._instance(1) for _ in range(self.r.choice([1, 2, 2]))]
        for at, one in enumerate(parts):
            if at or len(parts) == 1:
                one["datasetId"] = f"urn:d:{at}"
        return parts

    def _instance(self, depth: int) -> Instance:
        r = self.r
        kinds: dict[str, tuple[str, Callable[[], Any]]] = {
            "Property": ("value", self._value),
            "Relationship": ("object", self._object),
            "VocabProperty": ("vocab", lambda: r.choice([NS + "k", [NS + "k", "urn:x:1"]])),
            "LanguageProperty": ("languageMap", self._languages),
            "JsonProperty": ("json", lambda: r.choice([{"k": 1, "l": {"k": "a"}}, None, "a", [1, 2], {"@value": 1}])),
            "ListProperty": ("valueList", lambda: [self._value() for _ in range(r.randrange(3))]),
            "ListRelationship": (
                "objectList",
                lambda: [{"object": r.choice([f"urn:x:{n}", r.choice(_TARGETS)])} for n in range(1, r.randint(1, 3))],
            ),
        }
        kind = r.choice(["Property"] * 7 + list(kinds))
        member, make = kinds[kind]
        found: Instance = {"type": kind, member: make()}
        if r.random() < 0.4:
            found["observedAt"] = r.choice(_TIMES["dateTime"])
        if r.random() < 0.2:
            found["unitCode"] = r.choice(["CEL", "a"])
        if depth and r.random() < 0.5:
            sub = r.choice(_SUBS)
            found[sub] = self._instance(depth - 1)
            if r.random() < 0.2:
                found[sub] = [found[sub], {**self._instance(depth - 1), "datasetId": "urn:d:1"}]
        return found

    def _object(self) -> str | list[str]:
        r = self.r
        one = r.choice(["urn:x:1", "urn:x:2", *_TARGETS])
        several = r.choice([["urn:x:1", "urn:x:2"], r.sample(_TARGETS, 2)])
        return one if r.random() < 0.5 else several

    def _value(self) -> Any:
        r = self.r
        pick = r.random()
        if pick < 0.65:
            return self._scalar()
        if pick < 0.75:
            return [self._scalar() if r.random() < 0.9 else [self._scalar()] for _ in range(r.randrange(4))]
        if pick < 0.8:
            return {"@type": "DateTime", "@value": r.choice(_ALL_TIMES)}
        return {key: self._scalar() if r.random() < 0.6 else {_KEYS[0]: self._scalar()} for key in r.sample(_KEYS, 1)}

    def _scalar(self) -> Any:
        return self.r.choice([self.r.choice(_NUMBERS), self.r.choice(_WORDS), self.r.choice(_ALL_TIMES), True, False])

    def _languages(self) -> dict[str, Any]:
        words = [self.r.choice(_WORDS), self.r.sample(_WORDS, 2)]
        return {tag: self.r.choice(words) for tag in self.r.sample(["en", "de", "@none"], self.r.choice([1, 2]))}

    def geometry(self) -> dict[str, Any]:
        """Make a GeoJSON geometry on a small grid, so that boundaries meet."""
        r = self.r
        match r.randrange(11):
            case 9:
                x, y = self._position()[:2]
                ring = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]
                return {"type": "MultiPolygon", "coordinates": [[ring], [[[x + 2, y] for x, y in ring]]]}
            case 10:
                lines = [[self._position(), [4, 4]], [[0, 3], self._position()]]
                return {"type": "MultiLineString", "coordinates": lines}
            case 8:  # with a spike
                return {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [3, 3], [2, 2], [0, 2], [0, 0]]]}
            case 0:
                return {"type": "LineString", "coordinates": [self._position(), [5, 5]]}
            case 1 | 2:
                x, y = self._position()[:2]
                w, h = r.choice([1, 2]), r.choice([1, 2])
                return {"type": "Polygon", "coordinates": [[[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]]}
            case 3:
                return {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
            case 4:
                return {"type": "MultiPoint", "coordinates": [self._position(), self._position()]}
            case _:
                return {"type": "Point", "coordinates": self._position()}

    def _position(self) -> list[float]:
        return [self.r.choice([0, 1, 2, 0.5, 1.5]), self.r.choice([0, 1, 2, 0.5, 1.5])]

    # ---- conditions

    def node(self, depth: int = 2, *, links: bool = True) -> Node:
        """Make a condition of any kind."""
        r = self.r
        if depth and r.random() < 0.45:
            items = tuple(self.node(depth - 1, links=links) for _ in range(r.choice([0, 1, 2, 2, 3])))
            return self._one(And(items), Or(items), Not(self.node(depth - 1, links=links)))
        if depth and links and r.random() < 0.2:
            types = tuple(r.sample(_TYPES, r.choice([0, 0, 1, 2])))
            return Linked(r.choice(ATTRS), types, self.node(depth - 1))
        pick = r.random()
        if pick < 0.65:
            return self.term()
        return self._one(
            TypeIs(r.choice(_TYPES)),
            Or((TypeIs(_TYPES[0]), TypeIs(_TYPES[1]))),
            IdIn((f"urn:x:a:{r.randrange(20)}", "urn:x:b:1")),
            IdPattern(r.choice(["^urn:x:a", ":1$", "[13]$", "b:"])),
            AnyAttr(tuple(r.sample(ATTRS, r.choice([1, 2])))),
            ScopeIs(r.choice(_SCOPE_QUERIES)),
            self.georel(),
            self.georel(),
        )

    def _one(self, *nodes: Node) -> Node:
        return self.r.choice(nodes)

    def term(self) -> Exists | Compare | Matches:
        """Make a condition on values."""
        r = self.r
        path = self.path()
        pick = r.random()
        if pick < 0.1:
            return Exists(path)
        if pick < 0.25:
            return Matches(path, self.expression(), r.random() < 0.4)
        if pick < 0.6:
            return Compare(path, r.choice(_EQUALITIES), self.operand())
        literals: list[Literal_] = [self._number(), self._text(), self._time()]
        return Compare(path, r.choice(_ORDERS), r.choice(literals))

    def linked_term(self) -> Node:
        """Make a condition on values, perhaps of a linked entity."""
        found: Node = self.term()
        for _ in range(self.r.choice([0, 0, 0, 1, 2])):
            found = Linked(self.r.choice(ATTRS), tuple(self.r.sample(_TYPES, self.r.choice([0, 1, 2]))), found)
        return found

    def path(self) -> Path:
        """Make a path: mostly a whole attribute."""
        r = self.r
        pick = r.random()
        attr = r.choice(ATTRS)
        if pick < 0.5:
            return Path(attr)
        if pick < 0.6:
            return Path(r.choice(_MEMBERS[-2:]))
        sub = tuple(r.sample(_SUBS, r.choice([0, 1, 1]))) + ((r.choice(_MEMBERS),) if r.random() < 0.4 else ())
        if pick < 0.75:
            return Path(attr, sub)
        lang = r.choice([None, "en", "de", "*", "@none", "k"])
        if lang in ("*", "@none"):
            return Path(attr, sub, (), lang)
        member = ("k",) if lang == "k" else (NS + lang,) if lang else tuple(r.sample(_KEYS, r.choice([1, 2])))
        return Path(attr, sub, member, lang)

    def operand(self) -> Operand:
        """Make what `==` and `!=` take."""
        r = self.r
        pick = r.random()
        if pick < 0.6:
            return self.literal()
        if pick < 0.8:
            return ListOf(tuple(self.literal() for _ in range(r.choice([2, 3]))))
        if r.random() < 0.3:
            kind = r.choice(_KINDS)
            return Range(self._time_of(kind), self._time_of(kind))
        if r.random() < 0.5:
            return Range(self._number(), self._number())
        return Range(self._text(), self._text())

    def literal(self) -> Literal_:
        """Make a literal of any kind."""
        r = self.r
        literals: list[Literal_] = [self._number(), self._number(), self._text(), self._time()]
        return r.choice([*literals, Boolean(r.random() < 0.5), Uri(r.choice(["urn:x:1", "urn:x:2", NS + "k"]))])

    def _number(self) -> Number:
        return Number(self.r.choice(_NUMBERS))

    def _text(self) -> Text:
        return Text(self.r.choice(_WORDS + _ALL_TIMES[:2]))

    def _time(self) -> DateTimeLiteral:
        return self._time_of(self.r.choice(_KINDS))

    def _time_of(self, kind: _Kind) -> DateTimeLiteral:
        return DateTimeLiteral(self.r.choice(_TIMES[kind]), kind)

    def expression(self) -> str:
        """Make a regular expression."""
        r = self.r
        parts = [r.choice(_CHARS) + r.choice(_REPEATS) for _ in range(2)]
        return r.choice(["", "", "^"]) + r.choice(["", "|"]).join(parts) + r.choice(["", "", "$"])

    def georel(self) -> GeoRel:
        """Make a georelation."""
        r = self.r
        attr = r.choice([LOCATION, LOCATION, NS + "area"])
        geometry = json.dumps(self.geometry())
        if r.random() < 0.5:
            return GeoRel(attr, r.choice(_RELATIONS), geometry)
        metres = r.choice([1.0, 30_000.0, 70_000.0, 120_000.0, 200_000.0, 500_000.0])
        return GeoRel(attr, "near", geometry, *((metres, None) if r.random() < 0.7 else (None, metres)))

    # ---- accesses

    def access(self) -> Access:
        """Make grants and prohibitions."""
        r = self.r
        grants = tuple(
            Grant(f"urn:agreement:{n}", 1, self._some_types(), self._attrs(), self._filter())
            for n in range(r.choice([0, 1, 1, 2, 2, 3]))
        )
        prohibitions = tuple(
            Prohibition(self._some_types(), self._attrs(), self._filter()) for _ in range(r.choice([0, 0, 1, 2]))
        )
        return Access(grants, prohibitions)

    def _some_types(self) -> frozenset[str] | None:
        return None if self.r.random() < 0.3 else frozenset(self.r.sample(_TYPES, self.r.choice([1, 2])))

    def _attrs(self) -> AttrSet:
        names = frozenset(self.r.sample([*ATTRS, LOCATION], self.r.choice([1, 2, 4])))
        return self.r.choice([AttrSet(complement=True), AttrSet(names), AttrSet(names), AttrSet(names, True)])

    def _filter(self) -> Node:
        return And(()) if self.r.random() < 0.4 else self.node(1, links=False)


makers = st.randoms(use_true_random=False).map(QueryMaker)
