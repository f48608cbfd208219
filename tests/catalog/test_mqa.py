"""The scorer against the published table of points, indicator by indicator."""

from __future__ import annotations

import pytest
from rdflib import DCAT, DCTERMS, Graph, Literal, URIRef

from catalog import dcat
from catalog.mqa import DIMENSIONS, POINTS, rating, score
from tests.catalog.samples import catalogue

PUBLISHED = {"findability": 100, "accessibility": 100, "interoperability": 110, "reusability": 75, "contextuality": 20}
DATASET = URIRef("http://city.example/catalog/datasets/mobility/Vehicle")
PART = URIRef(f"{DATASET}#ngsi-ld")


def _graph() -> Graph:
    graph = dcat.catalog_graph(catalogue())
    graph.add((PART, DCAT.byteSize, Literal(1)))
    return graph


def _answers(graph: Graph, status: int = 200) -> dict[str, int]:
    return {str(o): status for p in (DCAT.accessURL, DCAT.downloadURL) for o in graph.objects(None, p)}


def test_the_table_is_the_published_one() -> None:
    """405 points in five dimensions."""
    assert {d: sum(p for of, p in POINTS.values() if of == d) for d in DIMENSIONS} == PUBLISHED
    assert sum(points for _, points in POINTS.values()) == 405


def test_a_full_description_scores_everything() -> None:
    """Each dimension is full."""
    graph = _graph()
    found = score(graph, DATASET, _answers(graph), True)
    assert found.lost == {}
    assert found.total == 405
    assert {d: found.dimension(d) for d in DIMENSIONS} == PUBLISHED


REMOVED = {
    "keyword": (DATASET, DCAT.keyword, {"keyword"}),
    "theme": (DATASET, DCAT.theme, {"theme"}),
    "spatial": (DATASET, DCTERMS.spatial, {"spatial"}),
    "temporal": (DATASET, DCTERMS.temporal, {"temporal"}),
    "access URL": (PART, DCAT.accessURL, {"access_url_status"}),
    "download URL": (PART, DCAT.downloadURL, {"download_url", "download_url_status"}),
    "format": (
        PART,
        DCTERMS["format"],
        {"format", "format_media_type_vocabulary", "non_proprietary", "machine_readable"},
    ),
    "media type": (PART, DCAT.mediaType, {"media_type", "format_media_type_vocabulary"}),
    "licence": (PART, DCTERMS.license, {"licence", "licence_vocabulary"}),
    "access rights": (DATASET, DCTERMS.accessRights, {"access_rights", "access_rights_vocabulary"}),
    "contact": (DATASET, DCAT.contactPoint, {"contact_point"}),
    "publisher": (DATASET, DCTERMS.publisher, {"publisher"}),
    "rights": (PART, DCTERMS.rights, {"rights"}),
    "size": (PART, DCAT.byteSize, {"byte_size"}),
}


@pytest.mark.parametrize("case", sorted(REMOVED))
def test_each_property_costs_its_points_and_no_others(case: str) -> None:
    """Taken away, the indicators that need it are lost."""
    node, predicate, lost = REMOVED[case]
    graph = _graph()
    answers = _answers(graph)
    graph.remove((node, predicate, None))
    found = score(graph, DATASET, answers, True)
    assert set(found.lost) == lost
    assert found.total == 405 - sum(POINTS[name][1] for name in lost)


@pytest.mark.parametrize("status", [0, 401, 403, 404, 500, 503])
def test_addresses_that_do_not_answer_cost_their_points(status: int) -> None:
    """Whatever they refuse with."""
    graph = _graph()
    assert set(score(graph, DATASET, _answers(graph, status), True).lost) == {
        "access_url_status",
        "download_url_status",
    }


def test_dates_shapes_and_terms_outside_the_vocabularies() -> None:
    """Issued and modified count on dataset or distribution; a licence of one's own is none of the table's."""
    graph = _graph()
    for node in (DATASET, PART):
        graph.remove((node, DCTERMS.issued, None))
        graph.remove((node, DCTERMS.modified, None))
    graph.set((PART, DCTERMS.license, URIRef("https://city.example/our-licence")))
    graph.set((PART, DCTERMS["format"], Literal("json")))
    found = score(graph, DATASET, _answers(graph), False)
    assert set(found.lost) == {
        "issued",
        "modified",
        "licence_vocabulary",
        "format_media_type_vocabulary",
        "non_proprietary",
        "machine_readable",
        "dcat_ap",
    }


@pytest.mark.parametrize(
    ("total", "word"),
    [
        (405, "excellent"),
        (351, "excellent"),
        (350, "good"),
        (221, "good"),
        (220, "sufficient"),
        (121, "sufficient"),
        (120, "bad"),
        (0, "bad"),
    ],
)
def test_ratings(total: int, word: str) -> None:
    """The published bounds."""
    assert rating(total) == word
