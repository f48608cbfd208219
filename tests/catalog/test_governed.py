"""The catalog over a real, governed broker: harvest, verdicts that revert and recover, and what the public sees."""

from __future__ import annotations

import http.client
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import pytest
from rdflib import DCAT, RDF, Graph
from rdflib.compare import isomorphic

from catalog.check import check
from catalog.document import parse
from tests.catalog.breaking import declared_without, without_agreement
from tests.catalog.conftest import VEHICLE, City, vehicle

RECEIPT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}:\S{40,}")
PLATE = "https://smartdatamodels.org/dataModel.Transportation/fleetVehicleId"


def _ask(city: City, path: str, accept: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """One request to the catalog, redirects not followed."""
    connection = http.client.HTTPConnection(urlsplit(city.catalog).netloc, timeout=10)
    connection.request(method, path, headers={"Accept": accept} if accept else {})
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


def _gate(verdict: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (g for g in verdict["gates"] if g["gate"] == name)
    return dict(found)


def test_mobility_is_governed_on_evidence(governed: City) -> None:
    """Every gate passes, read from the broker and the trust by their public interfaces."""
    governed.in_good_order()
    found = governed.assess()["mobility"]
    assert (found["status"], found["failing"], found["reason"]) == ("governed", [], "All 13 gates pass.")
    assert [g["gate"] for g in found["gates"]] == [
        "owner",
        "steward",
        "licence",
        "purposes",
        "policy",
        "assessment",
        "completeness",
        "timeliness",
        "validity",
        "uniqueness",
        "freshness",
        "retention",
        "provenance",
    ]
    assert found["counts"] == {VEHICLE: 30}
    assert [(f["feed"], f["received"], f["rejected"]) for f in found["feeds"]] == [("buses", 30, 0)]
    assert set(found["gates"][0]) == {
        "domain", "gate", "value", "target", "unit", "at", "expires", "source", "method", "pass", "reason", "why",
    }  # fmt: skip


def test_requests_is_not_yet_and_says_why(governed: City) -> None:
    """No steward is named and nothing has arrived: each is said."""
    found = governed.assess()["requests"]
    assert found["status"] == "not yet"
    assert found["failing"] == ["steward", "assessment", "completeness", "validity", "uniqueness", "freshness"]
    assert found["reason"] == (
        "No steward is named who looks after this data. No impact assessment is published, and personal data needs "
        "one. Completeness has not been measured yet. Validity has not been measured yet. Uniqueness has not been "
        "measured yet. No record has arrived yet."
    )


def test_a_stopped_feed_reverts_the_verdict_and_recovery_is_by_itself(governed: City) -> None:
    """Freshness lapses with the last record, and comes back with the next."""
    governed.in_good_order()
    assert governed.assess()["mobility"]["status"] == "governed"
    governed.feed("buses", "mobility", datetime.now(UTC) - timedelta(minutes=5), received=30, mapped=30, rejected=0)
    stopped = governed.assess()["mobility"]
    assert (stopped["status"], stopped["failing"]) == ("not yet", ["freshness"])
    assert stopped["reason"] == "Nothing has arrived for 5 minutes; the objective is 30 seconds."
    governed.in_good_order()
    assert governed.assess()["mobility"]["status"] == "governed"
    history = governed.get("/readiness/mobility")["history"]
    assert [c["status"] for c in history[-3:]] == ["governed", "not yet", "governed"]
    assert [c["failing"] for c in history[-3:]] == [[], ["freshness"], []]


def test_quality_below_target_reverts_the_verdict(governed: City) -> None:
    """One feed under the target is enough, and is named."""
    governed.in_good_order()
    governed.quality("buses", "mobility", 0.5)
    found = governed.assess()["mobility"]
    assert found["failing"] == ["completeness"]
    assert found["reason"].startswith("buses is 50% complete; the target is ")
    governed.in_good_order()
    assert governed.assess()["mobility"]["failing"] == []


def test_a_type_without_agreement_reverts_the_verdict(governed: City) -> None:
    """With every reading agreement suspended the policy gate names the type; active again, it passes."""
    governed.in_good_order()
    with without_agreement(governed):
        found = governed.assess()["mobility"]
        assert found["failing"] == ["policy"]
        assert _gate(found, "policy")["reason"] == "No agreement in force covers Vehicle."
    governed.in_good_order()
    assert governed.assess()["mobility"]["failing"] == []


@pytest.mark.parametrize("member", ["steward", "licence", "owner", "retention"])
def test_a_declaration_taken_back_reverts_the_verdict(governed: City, member: str) -> None:
    """Within one round, with that gate and no other; it recovers when the line is back."""
    governed.in_good_order()
    with declared_without(governed, member):
        assert governed.assess()["mobility"]["failing"] == [member]
    assert governed.assess()["mobility"]["failing"] == []


def test_the_catalog_conforms_and_is_the_same_in_every_form(governed: City) -> None:
    """Turtle, JSON-LD and RDF/XML by Accept and by suffix; no violation of the official shapes."""
    governed.assess()
    graphs = {}
    for media, suffix, form in (
        ("text/turtle", "ttl", "turtle"),
        ("application/ld+json", "jsonld", "json-ld"),
        ("application/rdf+xml", "rdf", "xml"),
    ):
        status, headers, body = _ask(governed, "/catalog", media)
        assert status == 200
        assert headers["content-type"].split(";")[0] == media
        assert headers["vary"] == "Accept"
        graphs[form] = parse(body, form, governed.catalog + "/catalog")
        assert isomorphic(graphs[form], parse(_ask(governed, f"/catalog.{suffix}")[2], form, governed.catalog))
    assert isomorphic(graphs["turtle"], graphs["json-ld"])
    assert isomorphic(graphs["turtle"], graphs["xml"])
    report = check(graphs["turtle"])
    assert report.violations == ()
    assert report.datasets == 5
    said = governed.run("catalog", "validate", governed.catalog + "/catalog")
    assert re.fullmatch(r"http\S+: \d+ triples, 5 datasets, 0 violations, \d+ warnings\n", said)


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/plain, */*"])
@pytest.mark.parametrize(
    "path", ["/catalog", "/catalog/datasets/mobility/Vehicle", "/catalog/series/mobility", "/catalog/services/ngsi-ld"]
)
def test_who_asks_for_json_gets_json_ld(governed: City, path: str, accept: str) -> None:
    """A plain HTTP client reads the same document as JSON, which says of itself what it means."""
    status, headers, body = _ask(governed, path, accept)
    assert (status, headers["content-type"], headers["vary"]) == (200, "application/json", "Accept")
    _, linked, same = _ask(governed, path, "application/ld+json")
    assert (linked["content-type"], linked["etag"], same) == ("application/ld+json", headers["etag"], body)
    assert set(json.loads(body)) == {"@context", "@graph"}


def test_every_dataset_can_be_fetched_at_its_own_uri(governed: City) -> None:
    """Each dataset's URI answers with RDF about itself, and browsers are sent to its page."""
    catalog = Graph().parse(data=_ask(governed, "/catalog", "text/turtle")[2], format="turtle")
    uris = sorted(str(u) for u in catalog.subjects(RDF.type, DCAT.Dataset))
    assert [u.removeprefix(governed.catalog) for u in uris] == [
        "/catalog/datasets/environment/AirQualityObserved",
        "/catalog/datasets/environment/NoiseLevelObserved",
        "/catalog/datasets/environment/WeatherObserved",
        "/catalog/datasets/mobility/Vehicle",
        "/catalog/datasets/requests/ServiceRequest",
    ]
    for uri in uris:
        status, _, body = _ask(governed, urlsplit(uri).path, "text/turtle")
        assert status == 200
        assert {str(u) for u in Graph().parse(data=body, format="turtle").subjects(RDF.type, DCAT.Dataset)} == {uri}
    status, headers, _ = _ask(governed, "/catalog/datasets/mobility/Vehicle", "text/html")
    assert (status, headers["location"]) == (303, "/domains/mobility#Vehicle")


@pytest.mark.parametrize(
    ("path", "accept", "status", "detail"),
    [
        (
            "/catalog",
            "image/png",
            406,
            "Accept 'image/png' names none of text/turtle, application/ld+json, application/rdf+xml, application/json, "
            "text/html.",
        ),
        (
            "/catalog/datasets/mobility/Nothing",
            None,
            404,
            "No dataset 'Nothing' in domain mobility; there are: Vehicle.",
        ),
        ("/readiness/nowhere", None, 404, "No domain 'nowhere'; there are: environment, mobility, requests."),
        ("/live.geojson", None, 400, "query.domain: Field required"),
        ("/live.geojson?domain=nowhere", None, 404, "No domain 'nowhere'"),
        ("/basemap.geojson?west=1&south=0&east=1&north=1", None, 400, "west must be below east"),
        ("/basemap.geojson?west=-500&south=0&east=1&north=1", None, 400, "query.west: "),
        ("/catalog.csv", None, 404, "No form 'csv'; there are ttl, jsonld, rdf."),
        ("/nothing", None, 404, "Not Found."),
    ],
)
def test_problems_say_what_was_wrong(governed: City, path: str, accept: str | None, status: int, detail: str) -> None:
    """RFC 9457, with a detail that names the member and what there is instead."""
    found, headers, body = _ask(governed, path, accept)
    assert (found, headers["content-type"]) == (status, "application/problem+json")
    problem = json.loads(body)
    assert (problem["status"], set(problem)) == (status, {"type", "title", "status", "detail"})
    assert problem["detail"].startswith(detail)


def test_the_live_map_is_read_as_the_public(governed: City) -> None:
    """All buses, their positions and nothing else; the reading carries its receipt."""
    governed.in_good_order()
    status, headers, body = _ask(governed, "/live.geojson?domain=mobility")
    assert (status, headers["content-type"]) == (200, "application/geo+json")
    found = json.loads(body)
    assert len(found["features"]) == 30
    feature = next(f for f in found["features"] if f["id"] == "urn:ngsi-ld:Vehicle:0")
    assert feature["geometry"] == vehicle(0)["location"]["value"]
    assert set(feature["properties"]) == {"type", "observedAt"}
    (reading,) = found["reading"]["types"]
    assert (reading["outcome"], reading["count"], reading["shown"]) == ("read", 30, 30)
    assert found["reading"]["party"] == "public"
    assert len(reading["receipts"]) == 1
    assert RECEIPT.fullmatch(reading["receipts"][0])
    assert b"secret" not in body


def test_one_entity_shows_what_the_public_may_see(governed: City) -> None:
    """The attribute that the public agreement leaves out is not there, and the reading has a receipt of its own."""
    path = f"/live/entity?domain=mobility&type=Vehicle&id={quote('urn:ngsi-ld:Vehicle:3')}"
    status, _, body = _ask(governed, path)
    found = json.loads(body)
    assert status == 200
    assert found["entity"]["id"] == "urn:ngsi-ld:Vehicle:3"
    assert "location" in found["entity"]
    assert PLATE not in found["entity"]
    assert b"secret-3" not in body
    assert RECEIPT.fullmatch(found["reading"]["receipt"])
    assert _ask(governed, "/live/entity?domain=mobility&type=Vehicle&id=urn:x:none")[0] == 404


def test_no_answer_calls_a_third_party(governed: City) -> None:
    """Every page carries the policy that only this origin may be asked, and no framing."""
    for path in ("/", "/domains/mobility", "/readiness", "/nothing", "/static/portal.css"):
        _, headers, _ = _ask(governed, path)
        assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_unchanged_catalogs_are_not_sent_again(governed: City) -> None:
    """ETag and If-None-Match; HEAD answers like GET, without the body."""
    status, headers, body = _ask(governed, "/catalog.ttl", method="HEAD")
    assert (status, body) == (200, b"")
    connection = http.client.HTTPConnection(urlsplit(governed.catalog).netloc, timeout=10)
    connection.request("GET", "/catalog.ttl", headers={"If-None-Match": headers["etag"]})
    assert connection.getresponse().status == 304
    connection.close()


def test_the_command_prints_verdicts(governed: City) -> None:
    """`assess --once` says each domain's verdict, and exits 1 while one is not yet governed."""
    governed.in_good_order()
    said = governed.run("catalog", "assess", "--once", expect=1).splitlines()
    assert [line.partition(":")[0] for line in said] == ["environment", "mobility", "requests"]
    assert said[1] == "mobility: governed. All 13 gates pass."


def test_health_and_metrics(governed: City) -> None:
    """The process tells how it is."""
    assert _ask(governed, "/health/live")[0] == 200
    assert _ask(governed, "/health/ready")[0] == 200
    assert b"python_info" in _ask(governed, "/metrics")[2]


def test_history_feed_and_badge_follow_the_verdict(governed: City) -> None:
    """Each change is a version with its signature and an entry of the feed; the badge says how it stands."""
    governed.in_good_order()
    governed.assess()
    governed.quality("buses", "mobility", 0.25)
    governed.assess()
    history = governed.get("/readiness/mobility/history?days=1")
    assert [v["status"] for v in history["versions"][-2:]] == ["governed", "not yet"]
    assert all(v["jws"].count(".") == 2 for v in history["versions"])
    runs = history["gates"]["completeness"]
    assert [(r["passed"], r["value"]) for r in runs[-2:]] == [(True, 0.995), (False, 0.25)]
    (series,) = (s for s in governed.get("/quality/mobility")["series"] if s["dimension"] == "completeness")
    assert (series["feed"], series["value"]) == ("buses", 0.25)
    assert [p["value"] for p in series["points"][-2:]] == [0.995, 0.25]
    _, headers, body = _ask(governed, "/changes/mobility.atom")
    assert headers["content-type"] == "application/atom+xml"
    feed = ElementTree.fromstring(body)  # noqa: S314 - our own answer
    titles = [t.text for t in feed.findall("{http://www.w3.org/2005/Atom}entry/{http://www.w3.org/2005/Atom}title")]
    assert titles[:2] == ["Mobility: not yet", "Mobility: at governed readiness"]
    assert b"buses is 25% complete" in body
    badge = _ask(governed, "/badges/mobility.svg")
    assert (badge[0], badge[1]["content-type"]) == (200, "image/svg+xml")
    assert b"not yet: 1 open" in badge[2]
    governed.in_good_order()
    governed.assess()
    assert "✓ governed".encode() in _ask(governed, "/badges/mobility.svg")[2]
    assert _ask(governed, "/badges/nowhere.svg")[0] == 404
    assert governed.get("/feeds?domain=mobility")["feeds"][0]["feed"] == "buses"
