"""What is vendored: readable, whole, and known by every URL it is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyld import jsonld
from rdflib import RDF, SH, SKOS, Graph, Namespace, URIRef

from broker.ld.active import Active, _load
from ontologies import load

NS = Namespace("https://datapolis.example/ns#")
SEC = "https://w3id.org/security#"


@pytest.mark.parametrize(
    ("version", "terms"),
    [("1.3", 109), ("1.4", 117), ("1.5", 124), ("1.6", 147), ("1.7", 152), ("1.8", 179), ("1.9", 212)],
)
def test_core_contexts_are_whole(version: str, terms: int) -> None:
    url = f"https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v{version}.jsonld"
    found = load.context(url)["@context"]
    assert len(found) == terms
    assert found["id"] == "@id"
    assert found["@vocab"] == "https://uri.etsi.org/ngsi-ld/default-context/"
    assert load.context(url.replace("https", "http")) == load.context(url)


def test_the_core_by_its_plain_name_is_the_newest() -> None:
    plain = load.context("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld")
    assert plain == load.context(load.CORE_CONTEXT)
    assert load.CORE_CONTEXT.endswith("v1.9.jsonld")


def test_every_context_is_json_and_read_by_pyld() -> None:
    for url, path in load.contexts().items():
        assert json.loads(path.read_bytes()) == load.context(url)
        assert load.context_bytes(url) == path.read_bytes()
        jsonld.expand({"@context": url, "@id": "urn:x:1"}, {"documentLoader": _load})


def test_an_unknown_name_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(KeyError):
        load.context("https://nowhere.example/")
    with pytest.raises(KeyError, match=r"there are .*odrl\.ttl"):
        load.vocabulary("nothing.ttl")
    with pytest.raises(KeyError, match="no such file"):
        load.shapes_path("../load.py/x")


def test_a_proof_in_the_core_v1_9_expands_with_the_data_integrity_context() -> None:
    proof = {"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "created": "2026-01-01T00:00:00Z"}
    document = {
        "@context": load.CORE_CONTEXT,
        "id": "urn:x:1",
        "ngsildproof": {"type": "Property", "entityIdSealed": "urn:x:1", "value": proof},
    }
    (node,) = jsonld.expand(document, {"documentLoader": _load})
    (stated,) = node["https://uri.etsi.org/ngsi-ld/ngsildproof"][0]["https://uri.etsi.org/ngsi-ld/hasValue"]
    assert stated["@type"] == [SEC + "DataIntegrityProof"]
    assert stated[SEC + "cryptosuite"] == [{"@type": SEC + "cryptosuiteString", "@value": "eddsa-rdfc-2022"}]
    assert stated["http://purl.org/dc/terms/created"][0]["@type"] == "http://www.w3.org/2001/XMLSchema#dateTime"


def test_an_agreement_expands_by_the_trust_context() -> None:
    agreement: dict[str, Any] = {
        "@context": ["http://www.w3.org/ns/odrl.jsonld", "https://datapolis.example/ns/trust.jsonld"],
        "@type": "Agreement",
        "uid": "urn:uuid:1",
        "profile": "https://datapolis.example/ns/trust",
        "version": 3,
        "status": "active",
        "permission": [
            {
                "action": "read",
                "target": {"types": ["https://a.example/T"], "attrs": {"only": ["https://a.example/a"]}, "q": "a==1"},
                "constraint": [{"leftOperand": "purpose", "operator": "isA", "rightOperand": "dpv:ServiceProvision"}],
            }
        ],
    }
    (node,) = jsonld.expand(agreement, {"documentLoader": _load})
    odrl = "http://www.w3.org/ns/odrl/2/"
    assert node["@id"] == "urn:uuid:1"
    assert node["@type"] == [odrl + "Agreement"]
    assert node[str(NS.status)] == [{"@id": str(NS.active)}]
    (permission,) = node[odrl + "permission"]
    (target,) = permission[odrl + "target"]
    assert target[str(NS.types)] == [{"@id": "https://a.example/T"}]
    assert target[str(NS.q)] == [{"@value": "a==1"}]


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("odrl.ttl", "http://www.w3.org/ns/odrl/2/Agreement"),
        ("dcat3.ttl", "http://www.w3.org/ns/dcat#Dataset"),
        ("dpv-purposes.ttl", "https://w3id.org/dpv#ServiceProvision"),
        ("datapolis.ttl", "https://datapolis.example/ns#Feed"),
    ],
)
def test_vocabularies_are_read(name: str, subject: str) -> None:
    assert (URIRef(subject), None, None) in load.vocabulary(name)


def test_purposes_have_broader_ones_up_to_the_root() -> None:
    graph = load.vocabulary("dpv-purposes.ttl")
    dpv = Namespace("https://w3id.org/dpv#")
    for concept in set(graph.subjects(SKOS.prefLabel)) - {dpv.Purpose}:
        assert dpv.Purpose in set(graph.transitive_objects(concept, SKOS.broader)), concept


@pytest.mark.parametrize("name", ["dcat-ap-3.0.1/dcat-ap-SHACL.ttl", "dcat-ap-3.0.1/ranges.ttl"])
def test_shapes_are_read(name: str) -> None:
    graph = load.shapes(name)
    assert len(set(graph.subjects(RDF.type, SH.NodeShape))) > 10


def test_the_citys_terms_of_our_namespace_are_described_or_the_citys_own() -> None:
    """What the platform itself publishes about feeds and quality stands in the vocabulary."""
    described: Graph = load.vocabulary("datapolis.ttl")
    names = "domain status received mapped rejected lastRecordAt lastObservedAt dimension feed"
    for name in names.split():
        assert (NS[name], RDF.type, None) in described, name


def test_names_that_answers_use_are_core_terms() -> None:
    active = Active()
    assert active.attr("https://uri.etsi.org/ngsi-ld/location") == "location"
    assert active.name("https://uri.etsi.org/ngsi-ld/default-context/Vehicle") == "Vehicle"
