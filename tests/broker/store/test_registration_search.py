"""Discovery in SQL, matching in memory, and an oracle written from 5.10.2.4 and 5.12, on the same questions.

The oracle knows registrations as the JSON that they are; it shares no code with what it judges but the parsers' output.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shapely import get_coordinates
from shapely.geometry import Point, mapping, shape
from shapely.geometry.base import BaseGeometry

from broker.core import times
from broker.core.access import ALL, EVERYTHING, Access, AttrSet, Grant, Prohibition
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_time import parse_time
from broker.core.parse_type import parse_type
from broker.core.query import TRUE, Exists, Path
from broker.core.registration import Asked, matches
from broker.core.registration_access import Reach, uncovered
from broker.core.subscription import Selector
from broker.store import registration_search as search
from broker.store import registrations
from broker.store.pool import Pool
from broker.store.registrations import Stored
from tests.fixtures.postgres import Database

NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
ME, OTHER = "urn:party:me", "urn:party:other"
E = "https://e.org/"
TYPES, ATTRS = [E + one for one in "ABC"], [E + one for one in "abcd"]
IDS = [f"urn:x:{number}" for number in range(1, 6)]
PATTERNS = ["1$", "^urn:x:[23]", "urn:y", "."]
SCOPES = ["/a", "/a/b", "/c"]
ROUNDS = 25 if os.environ.get("DATAPOLIS_PROVE") else 2
QUESTIONS = 120


@pytest.fixture
async def pool(pg: Database) -> AsyncIterator[Pool]:
    found = Pool(pg.dsn(), size=2)
    await found.open()
    yield found
    await found.close()


# ---- what is made up


class Make:
    """Registrations and questions from a seed."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)  # noqa: S311 - not for secrets

    def some(self, pool: list[str], most: int = 2) -> list[str]:
        return self.r.sample(pool, self.r.randint(1, most))

    def moment(self) -> str:
        return times.of(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.r.randint(0, 9)))

    def geometry(self) -> dict[str, Any]:
        x, y = self.r.uniform(0, 8), self.r.uniform(0, 8)
        if self.r.random() < 0.3:
            return {"type": "Point", "coordinates": [x, y]}
        w, h = self.r.uniform(0.5, 5), self.r.uniform(0.5, 5)
        ring = [[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]
        return {"type": "Polygon", "coordinates": [ring]}

    def interval(self) -> dict[str, str]:
        ends = sorted((self.moment(), self.moment()))
        return {"startAt": ends[0]} | ({"endAt": ends[1]} if self.r.random() < 0.7 else {})

    def entity(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": self.some(TYPES)} if self.r.random() < 0.9 else {"id": self.r.choice(IDS)}
        if self.r.random() < 0.3:
            found["id"] = self.r.choice(IDS)
        if self.r.random() < 0.4:
            found["idPattern"] = self.r.choice(PATTERNS)
        return found

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.r.random() < 0.8:
            found["entities"] = [self.entity() for _ in range(self.r.randint(1, 3))]
        if self.r.random() < 0.5:
            found["propertyNames"] = self.some(ATTRS)
        if self.r.random() < 0.4 or not found:
            found["relationshipNames"] = self.some(ATTRS)
        return found

    def registration(self, number: int) -> Stored:
        doc: dict[str, Any] = {
            "endpoint": f"http://s{self.r.randint(1, 3)}.example",
            "information": [self.info() for _ in range(self.r.randint(1, 3))],
        }
        for member, chance, made in (
            ("location", 0.6, self.geometry),
            ("observationSpace", 0.2, self.geometry),
            ("observationInterval", 0.3, self.interval),
            ("managementInterval", 0.2, self.interval),
            ("scope", 0.5, lambda: self.some(SCOPES)),
            ("properties", 0.5, lambda: {E + "rank": self.r.randint(1, 3)}),
        ):
            if self.r.random() < chance:
                doc[member] = made()
        expires = None
        if self.r.random() < 0.2:
            expires = NOW + timedelta(hours=self.r.choice([-1, 1]))
            doc["expiresAt"] = times.of(expires)
        return Stored(f"urn:r:{number:03}", doc, self.r.choice([ME, OTHER, OTHER]), NOW, NOW, expires)

    def question(self) -> dict[str, Any]:
        r = self.r
        found: dict[str, Any] = {}
        if r.random() < 0.8:
            a, b = r.sample(TYPES, 2)
            found["type"] = r.choice([a, f"{a}|{b}", f"({a};{b})", f"{a},({b};{a})", "*"])
        parts: list[tuple[str, float, Callable[[], Any]]] = [
            ("id", 0.3, lambda: self.some(IDS)),
            ("idPattern", 0.2, lambda: r.choice(PATTERNS)),
            ("attrs", 0.4, lambda: self.some(ATTRS)),
            ("scopeQ", 0.15, lambda: r.choice(["/a", "/a/#", "/c,/a/b", "/a;/c"])),
            ("time", 0.3, self.time),
            ("geo", 0.3, self.geo),
            ("csf", 0.2, lambda: r.choice([("rank", 1), ("rank", 2), ("endpoint", "http://s1.example")])),
        ]
        for name, chance, made in parts:
            if r.random() < chance:
                found[name] = made()
        return found

    def time(self) -> dict[str, str | None]:
        ends = sorted({self.moment(), self.moment(), times.of(NOW)})
        relation = self.r.choice(["before", "after", "between"])
        end = ends[1] if relation == "between" else None
        return {"relation": relation, "at": ends[0], "end": end, "property": self.r.choice(["observedAt", "createdAt"])}

    def geo(self) -> dict[str, Any]:
        relation = self.r.choice(["within", "contains", "intersects", "equals", "disjoint", "overlaps"])
        return {
            "relation": relation,
            "geometry": self.geometry(),
            "of": self.r.choice(["location", "observationSpace"]),
        }

    def access(self) -> Access:
        if self.r.random() < 0.2:
            return EVERYTHING
        grants = tuple(
            Grant("urn:a", 1, self.types(0.2), self.attrs(), TRUE if self.r.random() < 0.8 else Exists(Path(ATTRS[0])))
            for _ in range(self.r.randint(0, 4))
        )
        hidden = tuple(
            Prohibition(self.types(0.05), self.attrs(), TRUE if self.r.random() < 0.5 else Exists(Path(ATTRS[0])))
            for _ in range(self.r.choice([0, 0, 1, 2]))
        )
        return Access(grants, hidden)

    def types(self, any_chance: float) -> frozenset[str] | None:
        return None if self.r.random() < any_chance else frozenset(self.some(TYPES))

    def attrs(self) -> AttrSet:
        return self.r.choice([ALL, AttrSet(frozenset(self.some(ATTRS))), AttrSet(frozenset(self.some(ATTRS)), True)])


def asked(question: Mapping[str, Any]) -> Asked:
    """Write a question as the broker has it."""
    selectors: tuple[Selector, ...] = ()
    if question.keys() & {"type", "id", "idPattern"}:
        types = parse_type(question.get("type", "*"), str)
        selectors = (Selector(types, tuple(question.get("id", ())), question.get("idPattern")),)
    time, geo, csf = (question.get(name) for name in ("time", "geo", "csf"))
    return Asked(
        selectors,
        tuple(question.get("attrs", ())),
        None
        if geo is None
        else parse_geo(
            geo["relation"],
            geo["geometry"]["type"],
            geo["geometry"]["coordinates"],
            "https://uri.etsi.org/ngsi-ld/" + geo["of"],
            str,
        ),
        None if time is None else parse_time(time["relation"], time["at"], time["end"], time["property"]),
        TRUE if csf is None else parse_q(_csf(*csf), lambda name: NAMES[name]),
        parse_scope(question["scopeQ"]) if "scopeQ" in question else TRUE,
    )


NAMES = {"rank": E + "rank", "endpoint": "https://uri.etsi.org/ngsi-ld/endpoint"}


def _csf(name: str, value: Any) -> str:
    return f'{name}=="{value}"' if isinstance(value, str) else f"{name}=={value}"


# ---- the oracle


def expected(one: Stored, doc: Mapping[str, Any], question: Mapping[str, Any]) -> bool:
    """5.10.2.4: all the applicable conditions."""
    return (
        (one.expires_at is None or one.expires_at > NOW)
        and any(_info(info, question) for info in doc["information"])
        and _time(doc, question.get("time"))
        and _geo(doc, question.get("geo"))
        and _scope(doc.get("scope", []), question.get("scopeQ"))
        and _described(doc, question.get("csf"))
    )


def _info(info: Mapping[str, Any], question: Mapping[str, Any]) -> bool:
    """5.12: the entity specification matches one of the EntityInfo elements, and an attribute the combination."""
    names = info.get("propertyNames", []) + info.get("relationshipNames", [])
    if "attrs" in question and names and not any(one in names for one in question["attrs"]):
        return False
    return "entities" not in info or any(_entity(one, question) for one in info["entities"])


def _entity(info: Mapping[str, Any], question: Mapping[str, Any]) -> bool:
    if not _type(info.get("type"), question.get("type", "*")):
        return False
    ids, wanted = question.get("id"), question.get("idPattern")
    if ids is None and wanted is None:
        return True
    id = info.get("id")
    pattern = info.get("idPattern") if id is None else None  # 5.2.8: id takes precedence
    return (
        (id is None and pattern is None)
        or id in (ids or [])
        or (pattern is not None and any(re.search(pattern, one) for one in ids or []))
        or (wanted is not None and id is not None and re.search(wanted, id) is not None)
        or (wanted is not None and pattern is not None)
    )


def _type(types: list[str] | None, selection: str) -> bool:
    """4.17, of the few shapes that are asked: any of parts, a part in parentheses all of its types."""
    if selection == "*" or types is None:
        return True
    parts = re.split(r"[|,]", selection)
    return any(all(name in types for name in part.strip("()").split(";")) for part in parts)


def _time(doc: Mapping[str, Any], time: Mapping[str, Any] | None) -> bool:
    if time is None:
        return "observationInterval" not in doc and "managementInterval" not in doc
    found = doc.get("observationInterval" if time["property"] == "observedAt" else "managementInterval")
    if found is None:
        return False
    start, end = found["startAt"], found.get("endAt", "9999")
    match time["relation"]:
        case "before":
            return bool(start < time["at"])
        case "after":
            return bool(end >= time["at"])
    return bool(start < time["end"] and end >= time["at"])


def _geo(doc: Mapping[str, Any], geo: Mapping[str, Any] | None) -> bool:
    """The location matches itself, or contains a place that does: the places tried are what the two cut out."""
    if geo is None:
        return True
    if geo["of"] not in doc:
        return False
    area, asked = shape(doc[geo["of"]]), shape(geo["geometry"])
    places = [area, area.intersection(asked), area.difference(asked), *([asked] if area.covers(asked) else [])]
    places += [Point(at) for at in get_coordinates(area)]
    return any(_stands(geo["relation"], place, asked) for place in places if not place.is_empty)


def _stands(relation: str, place: BaseGeometry, asked: BaseGeometry) -> bool:
    match relation:
        case "disjoint":
            return not place.buffer(-1e-9).intersects(asked) if place.geom_type != "Point" else place.disjoint(asked)
        case "overlaps":  # a part of what both have, with a part that only the area has
            if "Point" in (place.geom_type, asked.geom_type):
                return False
            return bool(place.overlaps(asked) or (place.contains(asked) and not place.equals(asked)))
    return bool(getattr(place, relation)(asked))


def _scope(scopes: list[str], query: str | None) -> bool:
    has = {
        None: True,
        "/a": "/a" in scopes,
        "/a/#": any(one == "/a" or one.startswith("/a/") for one in scopes),
        "/c,/a/b": "/c" in scopes or "/a/b" in scopes,
        "/a;/c": "/a" in scopes and "/c" in scopes,
    }
    return has[query]


def _described(doc: Mapping[str, Any], csf: tuple[str, Any] | None) -> bool:
    if csf is None:
        return True
    name, value = csf
    return bool((doc["endpoint"] if name == "endpoint" else doc.get("properties", {}).get(E + name)) == value)


def visible(doc: Mapping[str, Any], access: Access) -> dict[str, Any]:
    """What of another's registration is visible, EntityInfo by EntityInfo."""
    found = []
    for info in doc["information"]:
        for entity in info.get("entities", [None]):
            part: dict[str, Any] = {} if entity is None else {"entities": [entity]}
            types = None if entity is None else entity.get("type")
            named = False
            for member in ("propertyNames", "relationshipNames"):
                names = [name for name in info.get(member, []) if _may_see(types, name, access)]
                named = named or member in info
                if names:
                    part[member] = names
            if (part.keys() - {"entities"}) if named else _may_see(types, None, access):
                found.append(part)
    return {**doc, "information": found}


def _may_see(types: list[str] | None, attr: str | None, access: Access) -> bool:
    if access is EVERYTHING:
        return True
    each: list[str | None] = [*types] if types else [None]
    return all(_type_seen(one, attr, access) for one in each)


def _type_seen(type_: str | None, attr: str | None, access: Access) -> bool:
    for ban in access.prohibitions:
        hits = ban.attrs == ALL if attr is None else attr in ban.attrs
        if hits and (ban.types is None or type_ is None or type_ in ban.types):
            return False
    for grant in access.grants:
        shows = grant.attrs != AttrSet() if attr is None else attr in grant.attrs
        if grant.filter == TRUE and shows and (grant.types is None or (type_ is not None and type_ in grant.types)):
            return True
    return False


# ---- the comparison


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_sql_memory_and_the_text_of_the_standard_agree(pool: Pool, seed: int) -> None:
    make = Make(seed)
    known = {one.id: one for one in (make.registration(number) for number in range(150))}
    async with pool.lend(None) as conn:
        schema = str(await conn.fetchval("SELECT broker.create_tenant('default')"))
    async with pool.tx(schema) as conn:
        for one in known.values():
            assert await registrations.insert(conn, "default", one)
    matched = 0
    async with pool.lend(schema, anew=True) as conn:
        for _ in range(QUESTIONS):
            question, access = make.question(), make.access()
            wanted = asked(question)
            reach = Reach(access)
            docs = {one.id: one.doc if one.party == ME else visible(one.doc, access) for one in known.values()}
            answer = [one.id for one in known.values() if expected(one, docs[one.id], question)]
            found = await search.page(conn, wanted, reach, ME, 1000, 0, NOW)
            relation = question.get("geo", {}).get("relation")
            ids = [one.id for one in found]
            if relation == "overlaps":
                assert set(answer) <= set(ids), question
            else:
                assert ids == answer, question
            assert await search.count(conn, wanted, reach, ME, NOW) == len(found)
            page = await search.page(conn, wanted, reach, ME, 2, 1, NOW)
            assert [one.id for one in page] == ids[1:3]
            for one in known.values():
                seen = search.seen(one, reach, ME)
                alive = one.expires_at is None or one.expires_at > NOW
                assert (alive and seen is not None and matches(seen.compiled, wanted)) is (one.id in ids), question
            matched += len(ids)
    assert matched > QUESTIONS


@pytest.mark.parametrize("seed", range(20))
def test_what_is_shown_is_what_is_visible(seed: int) -> None:
    """The parts of each RegistrationInfo, taken apart by EntityInfo, are those of the oracle, and no others."""
    make = Make(1000 + seed)
    for number in range(20):
        one, access = make.registration(number), make.access()
        if access is EVERYTHING:
            continue
        shown = Reach(access).shown({**one.doc, "contextSourceInfo": [{"key": "X", "value": "secret"}]})
        wanted = visible(one.doc, access)
        if shown is None:
            assert wanted["information"] == []
            continue
        apart = [
            {**info, "entities": [entity]} if entity is not None else info
            for info in shown["information"]
            for entity in info.get("entities", [None])
        ]
        assert sorted(map(repr, map(sorted_items, apart))) == sorted(
            map(repr, map(sorted_items, wanted["information"]))
        )
        assert {**shown, "information": 0} == {**one.doc, "information": 0}


def sorted_items(part: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(part.items())


@pytest.mark.parametrize("seed", range(20))
def test_who_may_register_sees_all_of_it(seed: int) -> None:
    """What an access covers for registering, it shows whole; what it does not show whole, it does not cover."""
    make, covered = Make(2000 + seed), 0
    for number in range(60):
        one, access = make.registration(number), make.access()
        if uncovered(one.compiled, access) is None:
            covered += 1
            seen = search.seen(one, Reach(access), ME)
            assert seen is not None
            assert sorted(map(repr, visible(seen.doc, access)["information"])) == sorted(
                map(repr, visible(one.doc, EVERYTHING)["information"])
            )
    assert covered


NEAR = [
    ({"type": "Point", "coordinates": [0, 0]}, "near;maxDistance==1000", [0, 0], True),
    ({"type": "Point", "coordinates": [0, 0]}, "near;maxDistance==1000", [0.1, 0], False),
    ({"type": "Point", "coordinates": [0, 0]}, "near;minDistance==1000", [0, 0], False),
    ({"type": "Point", "coordinates": [0, 0]}, "near;minDistance==1000", [0.1, 0], True),
    (mapping(shape({"type": "Point", "coordinates": [0, 0]}).buffer(1)), "near;maxDistance==1", [0.5, 0], True),
    (mapping(shape({"type": "Point", "coordinates": [0, 0]}).buffer(1)), "near;minDistance==100000", [0, 0], True),
    (mapping(shape({"type": "Point", "coordinates": [0, 0]}).buffer(1)), "near;minDistance==150000", [0, 0], False),
]


async def test_distances_are_those_of_some_place_inside(pool: Pool) -> None:
    async with pool.lend(None) as conn:
        schema = str(await conn.fetchval("SELECT broker.create_tenant('default')"))
    for number, (area, relation, at, answer) in enumerate(NEAR):
        information = [{"entities": [{"type": [f"{E}T{number}"]}]}]
        doc = {"endpoint": "http://s.example", "information": information, "location": area}
        one = Stored(f"urn:r:{number}", doc, ME, NOW, NOW)
        wanted = Asked((Selector(parse_type(f"{E}T{number}", str)),), geo=parse_geo(relation, "Point", at, None, str))
        async with pool.tx(schema) as conn:
            await registrations.insert(conn, "default", one)
            found = await search.page(conn, wanted, Reach(EVERYTHING), ME, 10, 0, NOW)
        assert (matches(one.compiled, wanted), [each.id for each in found]) == (answer, [one.id] if answer else [])


async def test_candidates_are_found_by_index(pool: Pool) -> None:
    """Among many registrations those of a type are found by the index on types, not by reading them all."""
    async with pool.lend(None) as conn:
        schema = str(await conn.fetchval("SELECT broker.create_tenant('default')"))
    async with pool.tx(schema) as conn:
        await conn.execute(
            "INSERT INTO registrations (id, doc, party, mode, created_at, modified_at, names, segs, vals) "
            "SELECT 'urn:r:' || n, '{}', $1, 'inclusive', now(), now(), '{}', '{}', '{}' "
            "FROM generate_series(1, 5000) n",
            ME,
        )
        await conn.execute(
            "INSERT INTO registration_info (registration, types, attrs) "
            "SELECT 'urn:r:' || n, ARRAY['https://e.org/T' || n % 1000], ARRAY[''] FROM generate_series(1, 5000) n"
        )
    async with pool.lend(schema, anew=True) as conn:
        for table in ("registrations", "registration_info"):
            await conn.execute(f"SET LOCAL client_min_messages = error; ANALYZE {table}")
        where, params = search.condition(Asked((Selector(parse_type(E + "T7", str)),)), Reach(EVERYTHING), ME, NOW)
        plan = await conn.fetch(f"EXPLAIN SELECT r.id FROM registrations r WHERE {where}", *params)  # noqa: S608
    text = "\n".join(row[0] for row in plan)
    assert "registration_info_types" in text
    assert "Seq Scan" not in text
