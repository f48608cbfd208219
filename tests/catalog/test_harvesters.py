"""Harvesters at the running catalog: DCAT in pages, CKAN's action API by its own client, SPARQL, and the EU's score."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import asyncpg
import ckanapi
import pytest
from rdflib import DCAT, RDF, Graph

from broker.core.egress import ranges
from catalog.mqa import Score, measure
from catalog.rdf import HYDRA
from policies.egress import session
from tests.catalog.conftest import City
from tests.catalog.harvesting import ask, next_page

ALL = [
    "environment/AirQualityObserved",
    "environment/NoiseLevelObserved",
    "environment/WeatherObserved",
    "mobility/Vehicle",
    "requests/ServiceRequest",
]


def _turtle(url: str) -> Graph:
    return Graph().parse(data=ask(url, "text/turtle").body, format="turtle")


def _walk(city: City, limit: int) -> list[str]:
    found: list[str] = []
    following: str | None = f"{city.catalog}/catalog?limit={limit}"
    while following:
        graph = _turtle(following)
        found += sorted(str(d).partition("/datasets/")[2] for d in graph.subjects(RDF.type, DCAT.Dataset))
        following = next_page(graph)
    return found


def _sparql(city: City, query: str, accept: str = "application/sparql-results+json") -> tuple[int, bytes]:
    request = urllib.request.Request(  # noqa: S310 - our own process
        f"{city.catalog}/sparql", urllib.parse.urlencode({"query": query}).encode(), {"Accept": accept}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_walk_in_pages_meets_every_dataset_once(governed: City) -> None:
    """Whatever the size of the page; the last page has no next."""
    governed.in_good_order()
    governed.assess()
    for limit in (1, 2, 4):
        assert _walk(governed, limit) == ALL
    whole = _turtle(f"{governed.catalog}/catalog")
    assert set(whole.subjects(RDF.type, HYDRA.PartialCollectionView)) == set()


def test_ckans_own_client_harvests_every_dataset_once(governed: City) -> None:
    """As its harvesters do: the list and each package, and the search in pages; one organisation per domain."""
    governed.assess()
    with ckanapi.RemoteCKAN(governed.catalog) as ckan:
        names = ckan.action.package_list()
        assert names == [name.lower().replace("/", "--") for name in ALL]
        packages = [ckan.action.package_show(id=name) for name in names]
        assert [p["name"] for p in packages] == names
        assert ckan.action.package_show(id=packages[3]["id"])["title"] == "Mobility: Vehicle"
        bus = packages[3]
        assert (bus["license_id"], bus["organization"]["name"], bus["groups"][0]["name"]) == (
            "CC_BY_4_0",
            "mobility",
            "tran",
        )
        (resource,) = bus["resources"]
        assert resource["format"] == "JSON-LD"
        with urllib.request.urlopen(resource["url"], timeout=10) as answer:  # noqa: S310 - our own process
            assert len(json.load(answer)) == 20
        paged: list[str] = []
        while page := ckan.action.package_search(rows=2, start=len(paged) // 2 * 2, sort="id asc")["results"]:
            paged += [p["name"] for p in page]
            if len(page) < 2:
                break
        assert sorted(paged) == sorted(names)
        found = ckan.action.package_search(q="vehicle")
        assert [p["name"] for p in found["results"]] == ["mobility--vehicle"]
        assert ckan.action.package_search(fq="organization:environment")["count"] == 3
        assert ckan.action.organization_list() == ["environment", "mobility", "requests"]
        assert ckan.action.organization_show(id="environment")["package_count"] == 3
        assert ckan.action.group_list() == ["envi", "gove", "tran"]
        with pytest.raises(ckanapi.NotFound):
            ckan.action.package_show(id="nothing")
        with pytest.raises(ckanapi.ValidationError):
            ckan.action.package_search(rows="many")
        with pytest.raises(ckanapi.CKANAPIError):
            ckan.action.package_delete(id=names[0])


def test_datasets_that_come_and_go_during_a_walk_disturb_no_other(governed: City) -> None:
    """Pages by offset: one is taken away behind the walker and one added; all that stay are met exactly once."""
    governed.assess()
    _sql(governed, "UPDATE catalog.datasets SET gone_at = NULL")
    order = [row["id"] for row in _sql(governed, "SELECT id FROM catalog.datasets ORDER BY seq")]
    assert sorted(order) == ALL
    with ckanapi.RemoteCKAN(governed.catalog) as ckan:
        first = ckan.action.package_search(rows=2, start=0)["results"]
        _sql(governed, "UPDATE catalog.datasets SET gone_at = now() WHERE id = $1", order[0])
        rest = [p for start in (2, 4) for p in ckan.action.package_search(rows=2, start=start)["results"]]
        names = [p["name"] for p in (*first, *rest)]
        assert names == [i.lower().replace("/", "--") for i in order]
        again = [p["name"] for start in (0, 2, 4) for p in ckan.action.package_search(rows=2, start=start)["results"]]
        assert again == names[1:]
    _sql(governed, "UPDATE catalog.datasets SET gone_at = NULL")


def _sql(city: City, statement: str, *values: Any) -> list[Any]:
    async def run() -> list[Any]:
        conn = await asyncpg.connect(city.database.dsn("catalog"))
        try:
            return list(await conn.fetch(statement, *values))
        finally:
            await conn.close(timeout=5)

    return asyncio.run(run())


def test_search_finds_by_words_beginnings_and_facets(governed: City) -> None:
    """Stems, the beginning of a last word, facets with their counts; nothing for nonsense."""
    governed.assess()

    def ask(query: str) -> dict[str, Any]:
        found: dict[str, Any] = governed.get(f"/search?{query}")
        return found

    assert [h["id"] for h in ask("q=vehicles")["hits"]] == ["mobility/Vehicle"]
    assert next(h["id"] for h in ask("q=weath")["hits"]) == "environment/WeatherObserved"
    assert ask("q=xyzzy")["total"] == 0
    assert ask("q=%22%27%3B--")["total"] in (0, 5)
    whole = ask("sort=title&limit=2&offset=1")
    assert (whole["total"], [h["id"] for h in whole["hits"]]) == (5, ALL[1:3])
    assert {f["value"]: f["count"] for f in whole["facets"]["domain"]} == {
        "environment": 3,
        "mobility": 1,
        "requests": 1,
    }
    assert {f["label"] for f in whole["facets"]["theme"]} == {
        "Environment",
        "Transport",
        "Government and public sector",
    }
    assert ask("theme=TRAN&theme=ENVI&domain=mobility")["total"] == 1


def test_search_engines_find_pages_and_descriptions(governed: City) -> None:
    """A sitemap of every page and dataset, and each dataset as schema.org has it."""
    with urllib.request.urlopen(f"{governed.catalog}/sitemap.xml", timeout=10) as answer:  # noqa: S310 - our own process
        text = answer.read().decode()
    assert text.count("<loc>") == 5 + 3 + 5
    assert f"<loc>{governed.catalog}/catalog/datasets/mobility/Vehicle</loc><lastmod>" in text
    with urllib.request.urlopen(f"{governed.catalog}/robots.txt", timeout=10) as answer:  # noqa: S310
        assert f"Sitemap: {governed.catalog}/sitemap.xml" in answer.read().decode()
    found = governed.get("/schema.org/mobility/Vehicle")
    assert (found["@type"], found["name"]) == ("Dataset", "Mobility: Vehicle")
    assert found["spatialCoverage"]["geo"]["box"] == "47.6 -122.4 47.7 -122.2"


def test_sparql_answers_queries_and_nothing_else(governed: City) -> None:
    """SELECT, ASK and CONSTRUCT in the asked form; updates, calls to others and nonsense are refused."""
    governed.assess()
    count = "SELECT (COUNT(?d) AS ?n) WHERE { ?d a <http://www.w3.org/ns/dcat#Dataset> }"
    status, body = _sparql(governed, count)
    assert (status, json.loads(body)["results"]["bindings"][0]["n"]["value"]) == (200, "5")
    assert _sparql(governed, count, "text/csv")[1].split() == [b"n", b"5"]
    assert json.loads(_sparql(governed, "ASK { ?s a <http://www.w3.org/ns/dcat#Catalog> }")[1])["boolean"] is True
    made = _sparql(governed, "CONSTRUCT WHERE { ?s a <http://www.w3.org/ns/dcat#Catalog> }", "text/turtle")
    assert len(Graph().parse(data=made[1], format="turtle")) == 1
    for query in (
        "INSERT DATA { <urn:a> <urn:b> <urn:c> }",
        "nonsense",
        "SELECT * { SERVICE <http://x/> { ?s ?p ?o } }",
    ):
        assert _sparql(governed, query)[0] == 400
    hidden = "SELECT * { \\u0053ERVICE <http://127.0.0.1/> { ?s ?p ?o } }"
    status, body = _sparql(governed, hidden)
    assert (status, b"bad-query" in body) == (400, True)


def test_a_query_without_end_is_ended(governed: City) -> None:
    """Its time is up, the answer says so, and the next query is answered."""
    began = time.monotonic()
    status, body = _sparql(
        governed, "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l . ?m ?n2 ?o }"
    )
    assert (status, json.loads(body)["title"]) == (503, "Query timeout")
    assert time.monotonic() - began < 12
    assert _sparql(governed, "ASK { ?s ?p ?o }")[0] == 200


def test_metadata_scores_as_the_eu_scores_it(governed: City) -> None:
    """Over HTTP and without a token: public datasets at least 380 of 405, restricted ones at least 351."""
    governed.in_good_order()
    governed.assess()

    async def run() -> list[Score]:
        async with session(ranges("127.0.0.0/8"), 10.0) as http:
            return await measure(http, f"{governed.catalog}/catalog?limit=2")

    scores = {s.dataset.partition("/datasets/")[2]: s for s in asyncio.run(run())}
    assert sorted(scores) == ALL
    assert scores["mobility/Vehicle"].total == 405
    public = [name for name in ALL if name != "requests/ServiceRequest"]
    assert {name: scores[name].total >= 380 for name in public} == dict.fromkeys(public, True)
    assert scores["requests/ServiceRequest"].total >= 351
    said = governed.run("catalog", "score", f"{governed.catalog}/catalog").splitlines()
    assert len(said) == 5
    assert "mobility/Vehicle: 405 of 405, excellent" in said[3]
